"""What stands in a verdict beside the candidate: the sealed set, the tries, and what it would replace."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.registry.files import RegistryFiles
from blut_resources.registry.records import Entry
from blut_resources.registry.verdicts import Incumbent, parse_verdict
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.gate.checks import made_up
from cookbooks.lamquant.gate.incumbent import HEADLINE, worse_than
from cookbooks.lamquant.gate.page import shown
from cookbooks.lamquant.gate.split import JudgedSplit, sealed_digest
from cookbooks.lamquant.payload.verdict_score import ScoreSettings, score
from cookbooks.lamquant.verdicts.record import incumbent_of
from tests.cookbooks.lamquant.verdict_case import Case

A, B, C = "a" * 64, "b" * 64, "c" * 64


# measured beside the candidate


def judged(case: Case, **config: Any) -> Any:
    """The verdict, with the incumbent's files in ``incumbent``, ``old_bitstreams`` and ``old_decoded``."""
    beside = {"incumbent": "incumbent", "incumbent_bitstreams": "old_bitstreams"}
    paths = {
        name: case.root / folder for name, folder in {**beside, "incumbent_decoded": "old_decoded"}.items()
    }
    inputs = case.inputs() | {name: path for name, path in paths.items() if path.exists()}
    return parse_verdict(score(read(case.named(**config), ScoreSettings), inputs).to_json())


@pytest.fixture
def beside(case: Case) -> Case:
    """The candidate is its own incumbent."""
    for source, target in (
        ("candidate", "incumbent"),
        ("bitstreams", "old_bitstreams"),
        ("decoded", "old_decoded"),
    ):
        shutil.copytree(case.root / source, case.root / target)
    return case


def test_an_incumbent_is_measured_on_the_same_recordings_and_a_better_one_is_named(beside):
    digest = digest_path(beside.root / "incumbent")
    verdict = judged(beside, incumbent_digest=digest, tries=3)
    assert verdict.passed and verdict.tries == 3 and verdict.synthetic is True
    assert verdict.incumbent == Incumbent(candidate=digest, figures=verdict.measurements, worse=[])

    # the candidate gets worse, within its floors
    rng = np.random.default_rng(0)
    decoded = np.load(beside.decoding)
    np.save(beside.decoding, decoded + rng.integers(-8, 9, decoded.shape))
    worse = judged(beside, incumbent_digest=digest)
    assert worse.incumbent.figures == verdict.measurements
    assert worse.incumbent.worse == ["worst_prdn", "worst_r"]


def test_an_incumbent_that_cannot_be_measured_is_worse_than_nothing(beside):
    digest = digest_path(beside.root / "incumbent")
    shutil.rmtree(beside.root / "old_decoded")
    (beside.root / "old_decoded").mkdir()
    crashed = judged(beside, incumbent_digest=digest)
    shutil.rmtree(beside.root / "incumbent")
    lost = judged(beside, incumbent_digest=digest)
    for verdict in (crashed, lost):
        assert verdict.incumbent.worse == list(HEADLINE)
        assert set(verdict.incumbent.figures.values()) == {None}


def test_an_incumbent_other_than_the_one_named_fails(beside):
    verdict = judged(beside, incumbent_digest=A)
    assert not verdict.passed and f"incumbent has digest {digest_path(beside.root / 'incumbent')}" in str(
        verdict.reasons
    )


def test_the_page_shows_floors_measurements_and_margins_worst_first_and_the_comparison(beside, tmp_path):
    verdict = judged(beside, incumbent_digest=digest_path(beside.root / "incumbent"), tries=2)
    (tmp_path / "verdict.json").write_bytes(verdict.to_json())
    page = shown(tmp_path)
    rows = [record.data for record in page["worst"].records]
    margins = [float(str(row["margin"]).split()[0]) for row in rows]
    assert margins == sorted(margins) and len({row["channel"] for row in rows}) == 4
    worst = rows[0]
    assert worst["patient"] == "SYNTHETIC-s003" and str(worst["floor"])[:2] in ("<=", ">=")
    assert [*worst][:5] == ["figure", "measured", "floor", "margin", "used up"], (
        "a narrow page cuts the rest off"
    )
    used = [int(str(row["used up"]).split()[1]) for row in rows]
    assert used == sorted(used, reverse=True) and used[0] == round(100 - margins[0])
    said = page["floors"].md_str
    assert len(said) < 1000 and said.startswith("**Passed.**" if verdict.passed else "**Refused.**")
    assert f"{worst['figure']}".removeprefix("channel_") in said.splitlines()[2] and "Worst band: " in said
    assert "| worst_prdn |" in page["beside"].md_str and page["tries"] == 2


@pytest.mark.parametrize(
    ("changes", "worse"),
    [
        ({}, []),
        ({"worst_cr": 19.91}, []),
        ({"worst_cr": 19.89}, ["worst_cr"]),
        ({"worst_prdn": 10.04}, []),
        ({"worst_prdn": 10.06}, ["worst_prdn"]),
        ({"worst_r": 0.9899}, []),
        ({"worst_r": 0.9898}, ["worst_r"]),
        ({"worst_cr": 99.0, "worst_prdn": 1.0, "worst_r": 1.0}, []),
        ({"worst_r": None}, ["worst_r"]),
    ],
)
def test_worse_is_what_differs_by_more_than_two_trainings_do(changes, worse):
    held = {"worst_cr": 20.0, "worst_prdn": 10.0, "worst_r": 0.99}
    assert worse_than(held, held | changes) == worse
    assert worse_than({}, held) == list(HEADLINE)


# what the alias stands for


def promote(store: ArtifactStore, *candidates: str) -> None:
    """A history in which each of them took the alias, written as the registry writes it."""
    files = RegistryFiles(store.root / "registry")
    for candidate in candidates:
        with files.writing("m") as alone:
            log = files.promotion_log("m")
            before = log.read()
            previous = before[-1].candidate if before else None
            made = {"name": "m", "alias": "prod", "candidate": candidate, "previous": previous, "at": "now"}
            log.append(Entry(n=len(before) + 1, action="promote", verdict=None, change_id="x", **made), alone)


def beside_of(store: ArtifactStore, candidate: str, alias: str = "m@prod") -> dict[str, str]:
    config = PccpVerdictConfig(promote_as=alias)
    return dict(incumbent_of("joint_checkpoint")(store, {"joint_checkpoint": candidate}, config))


def test_the_incumbent_is_what_the_alias_stands_for_or_stood_for_before_the_candidate(tmp_path):
    store = ArtifactStore(tmp_path)
    assert beside_of(store, A) == {}
    promote(store, A)
    assert beside_of(store, A) == {}, "a run that is repeated after its promotion finds its own verdict"
    assert beside_of(store, B) == {"incumbent": A}
    assert beside_of(store, B, "m@staging") == beside_of(store, B, "") == {}
    promote(store, B)
    assert beside_of(store, B) == {"incumbent": A}
    assert beside_of(store, A) == beside_of(store, C) == {"incumbent": B}


def test_what_the_alias_is_called_is_no_part_of_the_fingerprint():
    assert PccpVerdictConfig().fingerprinted() == PccpVerdictConfig(promote_as="m@prod").fingerprinted()


# the sealed set


def entry(stem: str, content: str, *, synthetic: bool = False) -> dict[str, Any]:
    return {"stem": stem, "subject": stem, "signal_sha256": content, "synthetic": synthetic}


def test_a_sealed_set_is_known_by_its_samples_alone():
    first = {"recordings": [entry("a", A), entry("b", B), entry("c", C)]}
    renamed = {"recordings": [entry("z", A), entry("y", B), entry("x", C)]}
    sealed = sealed_digest(first, ["a", "b"])
    assert sealed == sealed_digest(first, ["b", "a"]) == sealed_digest(renamed, ["y", "z"])
    assert sealed != sealed_digest(first, ["a"]) != sealed_digest(first, ["a", "c"])
    assert sealed_digest(first, []) is None


def test_one_made_up_recording_trained_on_or_sealed_makes_the_verdict_synthetic(tmp_path: Path):
    split = JudgedSplit({}, {"a": "test", "b": "train"}, frozenset())
    (tmp_path / "windows.json").write_text(json.dumps({"recordings": [{"stem": "b"}]}))

    def told(**kinds: bool) -> bool:
        recordings = [entry(stem, A, synthetic=made) for stem, made in kinds.items()]
        return made_up({"recordings": recordings}, split, tmp_path)

    assert told(a=False, b=False) is False
    assert told(a=True, b=False) and told(a=False, b=True)
    assert told(a=False, b=False, c=True) is False, "one that is neither decides nothing"
    assert told(a=False) is True, "what nobody knows may be made up"
    (tmp_path / "windows.json").write_text(json.dumps({"recordings": [{"stem": "elsewhere"}]}))
    assert told(a=False, b=False) is True
