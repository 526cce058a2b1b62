"""A stage asset can be tested in a few lines, with what README says."""

from pathlib import Path

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import stage_asset
from blut_assets.testing import blut_instance, materialize, provide

__all__ = ["blut_instance"]


class Words(Artifact):
    """Words in a file."""

    kind = "test.words"
    n_words: int


@stage_asset(cookbook="mine", group="words")
def words(stage) -> Words:
    """Three words."""
    (stage.out / "words").write_text("one two three")
    return Words(n_words=3)


@stage_asset(cookbook="mine", group="words")
def longest(stage, words: Words) -> Words:
    """The longest of them."""
    text = (stage.open(words) / "words").read_text()
    (stage.out / "words").write_text(max(text.split(), key=len))
    return Words(n_words=1)


def test_assets_run_and_are_reused(blut_instance: dg.DagsterInstance) -> None:
    assert materialize([words, longest], blut_instance).success
    again = materialize([words], blut_instance)
    assert again.asset_materializations_for_node("mine__words")[0].metadata["reused"].value is True
    assert materialize([longest], blut_instance).success, "of what was materialized before"


def test_an_asset_runs_on_an_input_that_the_test_gives(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "words").write_text("a bcd ef")
    provide(blut_instance, "mine/words", Words(n_words=3), folder)
    assert materialize([longest], blut_instance).success
    assert (folder / "words").read_text() == "a bcd ef"


def test_without_an_instance_the_advice_is_for_a_test() -> None:
    from blut_assets.stages.handles import HANDLES

    with pytest.raises(dg.Failure, match=r"blut_assets\.testing\.blut_instance"):
        dg.materialize([words], resources={"blut_handles": HANDLES})
