"""What an asset shows: its fields, its inputs, the curves of its training, what it cost."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.etree import ElementTree

import dagster as dg
import pytest
from markdown_it import MarkdownIt

from blut_assets.artifacts import Artifact
from blut_assets.definitions import defs, discovered
from blut_assets.pages.curves import draw
from blut_assets.pages.documentation import columns, meanings
from blut_assets.stages.findings import Findings
from blut_assets.stages.spec import spec_of
from blut_resources.instance.instance import open_instance
from blut_resources.machine.energy import metered
from blut_resources.text import markdown, text_of
from cookbooks.llm.evaluation.summary import answers_by_model
from cookbooks.llm.pages.metadata import sample_chat
from tests.contained import RESOURCES, raw, trained

SPECS = [spec for book in discovered.cookbooks for asset in book.assets if (spec := spec_of(asset))]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key.to_user_string())
def test_a_stranger_can_read_every_asset_and_every_field(spec: Any) -> None:
    shown = defs.get_assets_def(spec.key).specs_by_key[spec.key]
    assert shown.owners and shown.kinds
    assert str(shown.group_name).startswith(f"{spec.key.path[0]}_"), "a chain of its own"
    assert shown.description and spec.output.kind in shown.description
    schema = shown.metadata["fields"]
    undocumented = [column.name for column in schema.columns if not column.description]
    assert not undocumented, f"{spec.output.__name__}: document {undocumented} under Attributes"


class Base(Artifact):
    """A base.

    Attributes:
        n: how many,
            of all.
    """

    n: int


class Derived(Base):
    """Adds one.

    Attributes:
        r: a ratio: of two things.

    And goes on.
    """

    r: float | None


def test_fields_are_documented_by_the_docstrings_of_a_class_and_its_bases() -> None:
    assert meanings(Derived) == {"digest": "", "n": "how many, of all.", "r": "a ratio: of two things."}
    found = [(c.name, c.type, c.constraints.nullable) for c in columns(Derived).columns]
    assert found == [("n", "int", False), ("r", "float", True)]


AWKWARD = [
    "one\n  two",
    "| a | b |\n|---|---|\n# no *heading*, <b>no</b> [link](http://example.org)\n...",
    "````\n```python\ncode\n```\n````\n~~~\n\\",
    "    four spaces\n\n> 1. $x$ &amp; \\_ ~~-~~",
    "\n* one\n+ two\n- three\n1. four\n2) five\n\na\n===\nb\n---\nc\n:-\n***\n  # six",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_lines_stay_what_they_are_in_the_ui_and_on_a_terminal(text: str) -> None:
    found = Findings(SPECS[0], print)
    found.show(summary=text, word="x")
    assert found.shown["word"] == "x"
    shown = found.shown["summary"].value
    assert _seen(shown) == text
    assert text_of(shown) == text


def test_a_line_in_a_table_is_what_it_is() -> None:
    text = "a|b <b>c</b> *d* `e` [f](http://example.org) &amp; g_h_i \\ ~~j~~"
    assert _seen(f"| {markdown(text)} |\n|---|\n") == text


def _seen(markdown: str) -> str:
    """What a reader sees of one paragraph or cell of nothing but text."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    (inline,) = [token for token in tokens if token.type == "inline"]
    parts = inline.children or []
    assert {part.type for part in parts} <= {"text", "text_special", "hardbreak"}
    seen = "".join("\n" if part.type == "hardbreak" else part.content for part in parts)
    for line in seen.splitlines():
        assert line == line.strip() and "  " not in line, "the UI would lose such a space"
    return seen.replace("\N{NO-BREAK SPACE}", " ").replace("\N{ZERO WIDTH SPACE}", "")


def _metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("contained__trained")
    return {name: entry.value for name, entry in event.metadata.items()}


def _small_curves(metadata: dict[str, Any]) -> dict[str, str]:
    return {name: text for name, text in metadata.items() if name.startswith("curve of ")}


def test_the_picture_of_very_many_epochs_is_small_and_has_its_spike() -> None:
    rows: list[dict[str, float]] = [{"epoch": n, "loss": 1.0 if n != 7777 else 9.0} for n in range(10_000)]
    picture = draw(rows)
    (line,) = re.findall(r'points="([^"]*)"', picture)
    assert len(picture) < 20_000 and min(float(dot.split(",")[1]) for dot in line.split()) == 34.0


def test_the_curves_of_a_training_have_the_epochs_from_before_it_was_killed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = tmp_path / "how.json"
    monkeypatch.setenv("TRAINS", str(how))
    config = {"ops": {"contained__trained": {"config": {"epochs": 4}}}}

    def run() -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [raw, trained], resources=RESOURCES, instance=instance, run_config=config, raise_on_error=False
        )

    with open_instance() as instance:
        how.write_text(json.dumps({"exit": 5}))
        assert not run().success
        how.write_text("{}")
        made = run()
        shown = _metadata(made)
        for _ in range(2):  # a reuse of what was computed, and of what was reused
            again = _metadata(run())
            assert again["reused"] and again["epochs"] == shown["epochs"]
            assert again["shown_by"] == again["origin_run"] == made.run_id
            assert not {"curves", "inputs", "manifest"} & again.keys(), "what is shown once is not repeated"
            assert _small_curves(again) == _small_curves(shown) != {}, "but what is small"
        instance.delete_run(made.run_id)
        found = run()
        assert _metadata(found)["curves"] == shown["curves"], "nothing else in this history shows it by now"
        assert _metadata(run())["shown_by"] == found.run_id
    text = ElementTree.tostring(_svg(shown["curves"]), encoding="unicode")
    assert "epoch 0" in text and ">3<" in text
    assert "[contained/raw](/assets/contained/raw)" in shown["inputs"]
    assert shown["compute_seconds"] > 0
    assert "energy_gpu_joules" not in shown


def test_a_program_without_blut_finds_the_bytes_of_what_was_made_and_of_what_was_reused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_STORE", str(tmp_path / "a store #1"))
    with open_instance() as instance:
        for _ in range(2):
            made = dg.materialize([raw, trained], resources=RESOURCES, instance=instance)
            (event,) = made.asset_materializations_for_node("contained__trained")
            shown = {name: entry.value for name, entry in event.metadata.items()}
            place = Path(url2pathname(urlsplit(shown["dagster/uri"]).path))
            assert (place / "model").is_file() and str(place).startswith(str(tmp_path / "a store #1"))
            assert shown["size_bytes"] == sum(path.stat().st_size for path in place.iterdir())
            assert shown["digest"] == (event.tags or {})["dagster/data_version"]
        assert shown["reused"]
        (tmp_path / "a store #1").rename(tmp_path / "moved")
        monkeypatch.setenv("BLUT_STORE", str(tmp_path / "moved"))
        made = dg.materialize([raw, trained], resources=RESOURCES, instance=instance)
    (event,) = made.asset_materializations_for_node("contained__trained")
    assert event.metadata["reused"].value and "/moved/" in str(event.metadata["dagster/uri"].value)


def _svg(markdown: str) -> ElementTree.Element:
    match = re.fullmatch(r"!\[curves\]\(data:image/svg\+xml;base64,(.*)\)", markdown)
    assert match
    return ElementTree.fromstring(base64.b64decode(match[1]))


def test_odd_metrics_are_drawn_or_left_out() -> None:
    rows: list[Any] = [{"epoch": 1, "<loss>": 1.0, "nan": float("nan")}, {"epoch": 2, "<loss>": 1.0, "b": 2}]
    text = "".join(ElementTree.fromstring(draw(rows)).itertext())
    assert "<loss> 1" in text and "b 2" in text and "nan" not in text


def test_energy_is_read_over_the_wrap_of_the_counter(tmp_path: Path) -> None:
    for name, kind in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "psys")):
        domain = tmp_path / name
        domain.mkdir()
        (domain / "name").write_text(f"{kind}\n")
        (domain / "max_energy_range_uj").write_text("100000000\n")
        (domain / "energy_uj").write_text("90000000\n")
    with metered(powercap=tmp_path) as meter:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("5000000\n")
    assert meter.joules() == {"energy_cpu_joules": 15.0}
    assert meter.added_to({"energy_cpu_joules": 1.0}) == {"energy_cpu_joules": 16.0}
    with metered(powercap=tmp_path / "nowhere") as nothing:
        pass
    assert nothing.joules() == {}, "a missing source is a missing key"


def test_the_answers_of_a_gguf_are_shown_as_they_are(tmp_path: Path) -> None:
    answer = "```\n![x](http://example.org/x.png)"
    one = {"question": "Why?", "answer": answer, "reference_answer": "Because."}
    (tmp_path / "fidelity.json").write_text(json.dumps({"answers": [one]}))
    text = sample_chat(tmp_path)["sample_chat"].value
    assert f"**this file**\n\n{markdown(answer)}\n\n" in text and "Because" in text


def test_the_answers_of_an_evaluation_are_shown_as_they_are() -> None:
    said = {"base": ("# No\n| a |", False), "tuned": ("*", True)}
    answers = {model: {"text": text, "stopped": stopped} for model, (text, stopped) in said.items()}
    shown = answers_by_model([{"prompt": "<b>Why</b>?", "answers": answers}])
    question = f"**question**\n\n{markdown('<b>Why</b>?')}\n\n**answer**"
    assert shown["before"] == f"{question}\n\n{markdown('# No')}  \n{markdown('| a | ... (not ended)')}"
    assert shown["after"] == f"{question}\n\n{markdown('*')}"
