"""A stage may look at what it made before: to cost less, never to come to anything else."""

import os
from pathlib import Path

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.testing import blut_instance, materialize
from blut_resources.instance.instance import store_of

__all__ = ["blut_instance"]


class Words(Artifact):
    """Words, a file each."""

    kind = "growing.words"
    n_made: int = 0


class Source(StageConfig):
    """Where they are."""

    root: str


@stage_asset(cookbook="growing", group="sources", source=True)
def words(stage: Stage, config: Source) -> Words:
    """Files of the user's."""
    return Words(digest=stage.store.put_reference(Path(config.root)))


class LettersConfig(StageConfig):
    """How."""

    loud: bool = False


@stage_asset(cookbook="growing", group="corpus")
def letters(stage: Stage, words: Words, config: LettersConfig) -> Words:
    """Each word in a file; those that it has made before are linked."""
    earlier = stage.earlier()
    before = stage.open(earlier) if earlier else None
    made = 0
    for path in sorted(stage.open(words).iterdir()):
        out = stage.out / path.name
        if before and (before / path.name).exists():
            os.link(before / path.name, out)
            continue
        out.write_text(path.read_text().upper() if config.loud else path.read_text())
        made += 1
    return Words(n_made=made)


def _made(instance: dg.DagsterInstance, root: Path, **config: bool) -> Words:
    ops = {
        "growing__words": {"config": {"root": str(root)}},
        "growing__letters": {"config": config},
    }
    done = materialize([words, letters], instance, run_config={"ops": ops})
    return done.output_for_node("growing__letters")


def test_what_grew_costs_what_it_grew_by(blut_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    root, store = tmp_path / "words", store_of(blut_instance)
    root.mkdir()
    for name in ("one", "two"):
        (root / name).write_text(name)
    first = _made(blut_instance, root)
    assert first.n_made == 2
    (root / "three").write_text("three")
    second = _made(blut_instance, root)
    assert second.n_made == 1
    assert (store.open(second.digest) / "one").samefile(store.open(first.digest) / "one")
    assert _made(blut_instance, root, loud=True).n_made == 3, "another config made none of it"
    (root / "four").write_text("four")
    assert _made(blut_instance, root).n_made == 1, "the newest one of this config, not of the asset"


def test_what_is_gone_or_damaged_is_passed_over(blut_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    root, store = tmp_path / "words", store_of(blut_instance)
    root.mkdir()
    (root / "one").write_text("one")
    first = _made(blut_instance, root)
    (root / "two").write_text("two")
    second = _made(blut_instance, root)
    victim = store.open(second.digest) / "two"
    victim.chmod(0o644)
    victim.write_text("TWO")
    (root / "three").write_text("three")
    third = _made(blut_instance, root)
    assert third.n_made == 2, "of the one before that, one is there"
    store.verify(first.digest, full=True)
    store.verify(third.digest, full=True)
