"""Functions, classes and methods that nothing of the project calls; `python -m tests.house.dead` names them.

What only tests call counts as dead: it is kept up for nobody.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).parent.parent.parent
LIVING = ("blut_assets", "blut_resources", "cookbooks", "sensors", "bench", "docs")
KINDS = ("function", "class", "method", "property", "unreachable_code")
"""Of what vulture tells apart. Fields of models and attributes are read by name, as text, so they are not
judged; unused imports and local names are Ruff's."""
DECORATORS = ["@app.command", "@app.callback", "@field_validator", "@model_validator"]
"""What registers a function: Typer calls commands, pydantic calls validators."""

CALLED_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "Dagster calls them": (
        *("setup_for_execution", "handle_output", "load_input", "from_config_value", "_connect"),
        "_base_path",
        *("optimize_for_webserver", "index_transaction"),
        *("no_messages_debug_text", "capture_logs"),
        *("build_defs", "get_scaffold_params", "scaffold"),
    ),
    "a reference of Dagster's names them": (
        *("LockedSqliteStorage", "ReadSqliteStorage", "ReadPostgresStorage", "MirroredLogs"),
    ),
    "any Dagster project does": ("ContainedPipesClient", "build_definitions", "on_new_version"),
    "Python calls them": ("__getattr__", "__exit__", "path_stats", "dst", "fromutc"),
    "urllib calls them": ("redirect_request", "http_open", "https_open"),
    "PyTorch calls it": ("forward",),
    "its elastic agent calls them": (
        *("use_agent_store", "get_backend", "next_rendezvous", "is_closed", "set_closed"),
        *("num_nodes_waiting", "get_run_id", "shutdown", "_monitor_workers", "_record_worker_events"),
    ),
    "MNE calls one, its users the other": ("_read_segment_file", "read_raw_lqc"),
    "Textual calls them": (
        "render_line",
        "on_mount",
        "on_look_done",
        "on_cancel_done",
        "on_start_done",
        "on_command_done",
        "on_resize",
        "on_key",
    ),
    "transformers and TRL call them": (
        *("compute_loss", "_prepare_dataset", "on_epoch_begin", "on_epoch_end", "on_log"),
        *("on_save", "on_step_end", "on_train_begin"),
    ),
    "Sphinx calls it": ("setup",),
    "`blut_assets.cli.app` has their names": ("cancel", "auto", "resume"),
    "the whole question, of which the sensor asks the halves with the look at the data between": ("decide",),
    "who decodes without Blut calls them": ("damaged_ranges", "parse_target", "read_all", "read_seconds"),
    "only tests call them yet: either something begins to, or they go": (
        *("metrics_files", "open_windows", "quant_of", "save_importance"),
    ),
}
"""Names that are used without being written, by who uses them."""


def dead(*paths: Path) -> Iterator[str]:
    """What nothing in these files and folders uses, with its place."""
    looked = Vulture(ignore_names=_names(), ignore_decorators=DECORATORS)
    looked.scavenge([str(path) for path in paths], exclude=["*/template/*"])
    for item in looked.get_unused_code(min_confidence=60):
        if item.typ in KINDS:
            place = Path(item.filename)
            shown = place.relative_to(ROOT) if place.is_relative_to(ROOT) else place.name
            yield f"{shown}:{item.first_lineno}: {item.message}: delete it, or say who calls it in {__name__}"


def _names() -> list[str]:
    return [name for names in CALLED_ELSEWHERE.values() for name in names]


if __name__ == "__main__":
    found = list(dead(*(ROOT / name for name in LIVING)))
    print("\n".join(found), file=sys.stderr)
    sys.exit(bool(found))
