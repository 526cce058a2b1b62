"""Nothing is kept up that nobody calls."""

from pathlib import Path

import pytest

from tests.house.dead import CALLED_ELSEWHERE, LIVING, ROOT, dead


@pytest.mark.heavy
def test_nothing_of_the_project_is_dead() -> None:
    assert not list(dead(*(ROOT / name for name in LIVING)))


def test_a_dead_function_class_and_method_are_named(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "def used(): ...\ndef unused(): ...\nclass Gone:\n    def away(self): ...\nused()\n"
    )
    words = [one.rpartition(": delete")[0].partition(": ")[2] for one in dead(tmp_path)]
    assert words == ["unused function 'unused'", "unused class 'Gone'", "unused method 'away'"]


def test_each_exception_is_still_there() -> None:
    """One that is called by now, or is gone, is no exception any more."""
    text = "\n".join(path.read_text() for name in LIVING for path in (ROOT / name).rglob("*.py"))
    names = [name for group in CALLED_ELSEWHERE.values() for name in group]
    assert [name for name in names if f"def {name}(" not in text and f"class {name}" not in text] == []
