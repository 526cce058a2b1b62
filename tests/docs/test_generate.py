"""What generates the reference: pictures that can be read, and gaps that are named."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from blut_assets.discovery import discover
from blut_assets.stages.spec import spec_of
from docs.generate import api, graph
from docs.generate.layout import layout
from docs.generate.markdown import table
from docs.generate.variables import REPOSITORY, UndescribedVariable, check, read_in

CHAINS = [
    [spec for asset in recipe.assets if (spec := spec_of(asset))]
    for cookbook in discover().cookbooks
    for recipe in cookbook.recipes
]


@pytest.mark.parametrize("specs", CHAINS, ids=lambda specs: specs[-1].key.path[-1])
def test_boxes_stand_apart_and_below_what_they_take(specs: list) -> None:
    boxes, edges = graph.boxes_and_edges(specs)
    placed = layout({key: box.width for key, box in boxes.items()}, edges)
    for start, end in edges:
        assert placed.centres[start][1] < placed.centres[end][1]
    names = list(boxes)
    for number, name in enumerate(names):
        x, y = placed.centres[name]
        assert boxes[name].width / 2 <= x <= placed.width - boxes[name].width / 2
        for other in names[number + 1 :]:
            if placed.centres[other][1] == y:
                room = abs(placed.centres[other][0] - x) - (boxes[name].width + boxes[other].width) / 2
                assert room > 0, f"{name} covers {other}"
        assert len(boxes[name].name) * 7.23 < boxes[name].width, "12 px in a monospace font"
    for edge, way in placed.ways.items():
        for x, y in way[1:-1]:
            beside = [name for name in names if placed.centres[name][1] == y]
            assert all(abs(placed.centres[name][0] - x) > boxes[name].width / 2 for name in beside), edge


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="a circle among a, b"):
        layout({"a": 9, "b": 9}, [("a", "b"), ("b", "a")])


def test_a_name_that_could_end_the_picture_is_escaped() -> None:
    drawn = graph.svg({"a": graph.Box("</svg>", "<kind>", "once")}, [])
    assert drawn.count("</svg>") == 1 and ">&lt;/svg&gt;<" in drawn and ">&lt;kind&gt;<" in drawn


def test_a_variable_that_nobody_described_is_named(tmp_path: Path) -> None:
    (tmp_path / "sensors").mkdir()
    (tmp_path / "sensors/new.py").write_text(
        '"""Docs of $BLUT_OLD."""\nimport os\nNEW = "BLUT_NEW"\nkeys = f"BLUT_KEY_{NEW}"\nno = "NOT_BLUT_X"\n'
    )
    read = read_in(tmp_path)
    assert read == {"BLUT_NEW": "sensors/new.py", "BLUT_KEY_": "sensors/new.py"}
    with pytest.raises(UndescribedVariable) as refused:
        check(read, {"BLUT_KEY_", "BLUT_GONE"})
    assert str(refused.value).splitlines() == [
        "BLUT_NEW (sensors/new.py) is not described: add it to docs/reference/variables.yaml",
        "BLUT_GONE is described, and nothing reads it",
    ]


def test_the_variables_that_set_limits_are_found() -> None:
    assert {"BLUT_MEMORY_MAX", "BLUT_STORE", "BLUT_JUDGE_", "BLUT_GRACE_S"} <= read_in(REPOSITORY).keys()


def test_a_name_that_a_module_offers_and_the_api_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(__all__=["known", "forgotten"], __name__="kit", known=check)
    monkeypatch.setattr(api.importlib, "import_module", lambda _: module)
    monkeypatch.setattr(api, "API", {"Kit": {"kit": ("known",)}})
    monkeypatch.setattr(api, "WHOLE", {"kit"})
    with pytest.raises(LookupError, match="kit offers forgotten"):
        api.api()


def test_what_a_new_cookbook_imports_is_api() -> None:
    imported = set()
    for path in (REPOSITORY / "blut_assets/new_cookbook/template/src").rglob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        ours = [node for node in nodes if (node.module or "").startswith("blut_")]
        imported |= {alias.name for node in ours for alias in node.names}
    assert len(imported) > 20
    assert {name for name in imported if not name.isupper()} <= api.listed()


class Inner(BaseModel):
    """Something inside another."""


class Outer(BaseModel):
    """A model as cookbooks have them."""

    word: Literal["a.b.c"] = "a.b.c"
    share: Annotated[float | None, Field(gt=0)] = Field(None, description="a part")
    inner: Annotated[Inner, Field(description="of it")] = Inner()
    needed: Path


def test_a_signature_has_types_and_defaults_without_what_a_form_says_of_them() -> None:
    assert api.signature(Outer) == (
        "(*, word: Literal['a.b.c'] = 'a.b.c', share: float | None = None,"
        " inner: Inner = Inner(), needed: Path)"
    )


def test_a_cell_stays_a_cell() -> None:
    assert table(("a",), [("x | y\nz",)]).splitlines()[-1] == "| x \\| y z |"
