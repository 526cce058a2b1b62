"""Holds Blut's own code location: every installed cookbook, and what `dg scaffold defs` has written."""

from pathlib import Path

from blut_assets.building import assemble, installed, refuse_left_out, without_resources
from blut_resources.dagster_private.startup import without_collector

with without_collector():
    import dagster as dg

    from blut_assets.stages.executor import in_process_or_multiprocess


def beside_cookbooks() -> list[dg.Definitions]:
    """Returns what `dg scaffold defs` has put into ``blut_assets/defs``;
    loading an empty folder takes time too.
    """
    here = Path(__file__).parent
    if {entry.name for entry in (here / "defs").iterdir()} <= {"__init__.py", "__pycache__"}:
        return []
    return [dg.load_from_defs_folder(path_within_project=here)]


beside = beside_cookbooks()
discovered = without_resources(installed(), {key for one in beside for key in one.resources or ()})
refuse_left_out(discovered)
with without_collector():
    defs = dg.Definitions.merge(assemble(discovered, executor=in_process_or_multiprocess), *beside)
