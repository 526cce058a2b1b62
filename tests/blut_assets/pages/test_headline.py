"""The page of a result: what is asked of it first stands first, and only what moves is plotted."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.pages.curves import draw, kept_epoch
from blut_assets.pages.headline import INLINE, facts_shown, headline
from blut_assets.pages.small_curve import small_curves
from blut_assets.stages import Stage, StageConfig, Steps, stage_asset
from blut_resources.instance.instance import open_instance
from blut_resources.text import text_of
from tests.contained import PAYLOAD, RESOURCES


class Measured(Artifact):
    """Something with figures.

    Attributes:
        preset: what was chosen.
        error: %, of the recordings that were held out, mean over all of them.
        n_held_out: how many there were.
        size_bytes: of what ships.
        found: whether there is any.
        missing: nobody knows.
    """

    kind = "pages.measured"
    preset: str = "fast"
    error: float = 14.539099894803972
    n_held_out: int = 12345
    layers: int = 4
    n_bytes: int = 3_000_000
    found: bool = True
    missing: float | None = None


class MeasuringConfig(StageConfig):
    """How long."""

    epochs: int = 3


@stage_asset(
    cookbook="pages", group="training", payloads=[PAYLOAD], headline=["error", "n_held_out", "missing"]
)
def measured(stage: Stage, config: MeasuringConfig) -> Steps[Measured]:
    """Train, and say which epoch was kept."""
    raw = stage.work / "raw"
    raw.mkdir(exist_ok=True)
    yield from stage.run(PAYLOAD, config={"epochs": config.epochs, "name": "measured"}, inputs={"raw": raw})
    (stage.out / "model.json").write_text(json.dumps({"best_epoch": 1}))
    stage.show(
        whole=dg.MetadataValue.md(f"![x](data:image/png;base64,{'A' * 2000})"),
        rows=dg.MetadataValue.table([dg.TableRecord({"a": "b"})]),
        weights="c" * 64,
    )
    return Measured()


def made(instance: dg.DagsterInstance) -> dict[str, Any]:
    result = dg.materialize([measured], resources=RESOURCES, instance=instance)
    (event,) = result.asset_materializations_for_node("pages__measured")
    return dict(event.metadata)


@pytest.mark.usefixtures("home")
def test_an_event_has_what_is_asked_first_in_place_and_digests_and_json_last() -> None:
    with open_instance() as instance:
        first, again = made(instance), made(instance)
    names = [*first]
    small = [name for name in names if name.startswith("curve of ")]
    assert small and names[: 1 + len(small)] == ["headline", *small]
    assert names.index("curves") < names.index("rows") < names.index("error") < names.index("manifest")
    last = names[names.index("manifest") + 1 :]
    assert {"weights", "digest", "artifact", "blut/spec"} <= {*last}, last
    for name in ("headline", *small):
        assert len(first[name].value) <= INLINE, "the UI would show a link in place of it"
    said = text_of(first["headline"].value)
    assert said.startswith("Computed in") and "- error: **14.5 %**" in said
    assert "kept" in unquote(first[small[0]].value) and "![curves]" in first["curves"].value
    assert again["reused"].value and next(iter(again)) == "headline"
    first_line, second_line = again["headline"].value.splitlines()[:2]
    assert first_line.startswith("**Reused**: nothing was computed.") and second_line.startswith(
        "Made by run "
    )
    assert {len(line) for line in text_of(again["headline"].value).splitlines()} <= {*range(50)}, "fits"


def test_a_headline_has_units_and_says_what_was_measured_on_what() -> None:
    chosen = ["error", "n_held_out", "n_bytes", "found", "missing"]
    text = text_of(headline(Measured(), chosen)["headline"].value)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "- error: **14.5 %**" and "of the recordings that were" in lines[1]
    for told in ("**12,345**", "**2.9 MiB**", "**yes**", "**not measured**"):
        assert told in text
    assert len(headline(Measured(preset="*" * 9999), ["preset"] * 40)["headline"].value) <= INLINE


def test_only_what_can_move_is_a_number() -> None:
    shown = facts_shown(Measured(), ["n_held_out"])
    assert shown["error"] == 14.5391 and shown["n_held_out"] == 12345, "the headline, and what was measured"
    assert shown["layers"] == "4" and shown["found"] is True and shown["preset"] == "fast"
    assert facts_shown(Measured(), ["error"])["n_held_out"] == 12345, "a count"
    assert facts_shown(Measured(), [])["layers"] == 4, "where nothing is chosen"


def test_a_curve_in_place_has_its_range_its_seams_and_the_kept_epoch() -> None:
    rows: list[dict[str, Any]] = [
        {"epoch": n, "loss": 1 / n, "val_loss": abs(n - 70) + 0.5, "flat": 1.0} for n in range(1, 201)
    ]
    for row in rows[100:]:
        row["resumed_from"] = 100
    shown = small_curves(rows, 70)
    assert [*shown] == ["val_loss", "loss"], "validation first; what is flat is no curve"
    for text in shown.values():
        assert len(text) <= INLINE
        svg = ElementTree.fromstring(unquote(text.partition("svg+xml,")[2].removesuffix(">)")))
        said = " ".join(svg.itertext())
        assert "epoch 1 to 200; kept 70: " in said and "(green)" in said
        assert sum(one.get("stroke") == "#c52" for one in svg.iter()) == 1
        assert sum(one.tag.endswith("circle") for one in svg.iter()) == 1


def test_the_large_picture_marks_the_kept_epoch_and_names_its_axis() -> None:
    rows: list[dict[str, Any]] = [{"epoch": n, "loss": 9 - n} for n in range(1, 6)]
    text = "".join(ElementTree.fromstring(draw(rows, 3)).itertext())
    assert "kept: 3" in text and "kept 6" in text and "epoch" in text
    assert "kept" not in "".join(ElementTree.fromstring(draw(rows)).itertext())


def test_the_kept_epoch_of_a_file_that_is_no_json_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[1]")
    assert kept_epoch(tmp_path) is None
    (tmp_path / "c.json").write_text('{"best_epoch": 4}')
    assert kept_epoch(tmp_path) == 4
