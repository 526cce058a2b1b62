"""The gate on decisions: a sound controller passes, and each way to look good without being it is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.refuse import Refused
from blut_resources.registry.verdicts import Verdict
from cookbooks.lamquant.controller.states import NEVER, Point
from cookbooks.lamquant.gate.decided import PASSES
from cookbooks.lamquant.labels.store import read_labels
from tests.cookbooks.lamquant.gate.decision_case import REGISTRY, THRESHOLD, DecisionCase
from tests.cookbooks.lamquant.verdict_case import CHANGE


def figure(verdict: Verdict, name: str) -> float:
    value = verdict.measurements[name]
    assert value is not None
    return value


def edit(path: Path, change: object) -> None:
    document = json.loads(path.read_text())
    change(document)  # type: ignore[operator]
    path.write_text(json.dumps(document))


def test_a_sound_controller_passes_with_every_figure(good_decisions: DecisionCase) -> None:
    verdict = good_decisions.judge()
    assert verdict.passed and verdict.reasons == []
    assert verdict.synthetic is True and verdict.model == "lamquant-snn"
    assert {"corpus", "split", "labels", "registry", "decided"} == verdict.inputs.keys()
    low, high = figure(verdict, "sensitivity_low"), figure(verdict, "sensitivity_high")
    assert 0 < low < figure(verdict, "event_sensitivity") <= high <= 1
    assert figure(verdict, "auc") == figure(verdict, "logistic_auc") > figure(verdict, "energy_auc")
    rows = verdict.details["events"]
    counts = verdict.details["counts"]
    assert sum(row["what"] != "false alarm" for row in rows) == counts["critical_events"] == 3
    false = sum(row["what"] == "false alarm" for row in rows)
    assert figure(verdict, "fa_per_h") == pytest.approx(false / counts["hours"])
    assert all(row["latency_s"] >= 0 for row in rows if row["what"] == "found")


# ---- looking good without being it


def test_who_calls_everything_critical_finds_every_seizure_and_is_refused(decisions: DecisionCase) -> None:
    decisions.make(point=Point(-NEVER))
    verdict = decisions.fails("critical_share is 1, required <= 0.25")
    assert figure(verdict, "event_sensitivity") == 1


def test_who_calls_nothing_critical_has_no_false_alarm_and_is_refused(decisions: DecisionCase) -> None:
    decisions.make(point=Point(NEVER, failsafe_rms=1000))
    verdict = decisions.fails("event_sensitivity is 0, required >= 0.6")
    assert figure(verdict, "fa_per_h") == 0


def test_alarms_far_apart_are_not_one_because_the_controller_says_so(decisions: DecisionCase) -> None:
    """One alarm from the first to the last would hold a seizure, and none of it were false."""
    honest = decisions.judge().details["events"]
    decisions.make(point=Point(250, merge_s=600.0, min_event_s=0.0))
    verdict = decisions.fails("fa_per_h")
    false = [row for row in verdict.details["events"] if row["what"] == "false alarm"]
    assert len(false) > len([row for row in honest if row["what"] == "false alarm"])


def test_states_of_other_recordings_tell_nothing(decisions: DecisionCase) -> None:
    labels = read_labels(decisions.labels / "sealed")
    order = sorted(decisions.stems, key=lambda stem: labels.recordings[stem]["critical"])
    for name in PASSES:
        held = {stem: (decisions.decided / name / f"{stem}.states").read_bytes() for stem in order}
        for stem, other in zip(order, reversed(order), strict=True):
            (decisions.decided / name / f"{stem}.states").write_bytes(held[other])
    decisions.fails("decision auc is", "margin_over_energy_auc")


def test_states_that_were_taken_from_labels_are_not_the_candidates(decisions: DecisionCase) -> None:
    labels = read_labels(decisions.labels / "sealed")
    for name, stem in ((name, stem) for name in PASSES for stem in decisions.stems):
        path = decisions.decided / name / f"{stem}.states"
        rows = np.load(path)
        truth = 3 * (labels.of(stem)[: len(rows)] == 2) * (name != "silence")
        rows[:, 0], rows[:, 1] = truth, 1000 * truth
        with path.open("wb") as file:
            np.save(file, rows)
    verdict = decisions.fails(f"whole: what was decided of {decisions.stems[0]} is not what the candidate")
    assert [c.name for c in verdict.criteria if not c.passed] == ["one_stream_of_states_violations"]


def test_a_network_that_loses_to_the_logistic_one_is_refused(decisions: DecisionCase) -> None:
    decisions.make("ssm", Point(0))
    decisions.fails("margin_over_logistic_auc")


def test_who_counts_the_seconds_instead_of_listening_is_refused(decisions: DecisionCase) -> None:
    """Labels are put where the score that only grows with time is largest: it finds them all."""
    labels = read_labels(decisions.labels / "sealed")
    for stem in labels.recordings:
        late = np.zeros(labels.recordings[stem]["frames"], np.uint8)
        late[-40:] = 2
        np.save(decisions.labels / "sealed" / f"{stem}.npy", late)
    nothing = {"logistic.out.weight": np.zeros((2, 27), np.int8), "logistic.pace": np.full(2, 60, np.int32)}
    bias = np.array([25600, 0], np.int32)
    decisions.make(point=Point(NEVER), **nothing, **{"logistic.out.bias": bias})
    verdict = decisions.fails("position_only: 100% of what the scores do, they do on silence too")
    assert figure(verdict, "auc") > 0.9


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pieces", "chunk_invariance: {} has other scores when it comes in other pieces"),
        ("begin", "causality: {} has other scores when its second half is not there"),
    ],
)
def test_decisions_that_depend_on_chunks_or_on_the_future_are_refused(
    decisions: DecisionCase, name: str, said: str
) -> None:
    stem = decisions.stems[0]
    path = decisions.decided / name / f"{stem}.states"
    rows = np.load(path)
    rows[17, 1] += 1
    with path.open("wb") as file:
        np.save(file, rows)
    decisions.fails(said.format(stem))
    rows[17, 1] -= 1
    rows[17, 0] = 3 - rows[17, 0]
    with path.open("wb") as file:
        np.save(file, rows)
    decisions.fails(said.format(stem).replace("scores", "states"))


@pytest.mark.parametrize("name", PASSES)
def test_each_recording_has_one_sound_file_in_each_pass(decisions: DecisionCase, name: str) -> None:
    one, two, three = (decisions.decided / name / f"{stem}.states" for stem in decisions.stems[:3])
    one.unlink()
    np.save(two.with_suffix(".npy"), np.load(two)[:-1])
    two.with_suffix(".npy").replace(two)
    rows = np.load(three)
    rows[0, 0] = 4
    np.save(three.with_suffix(".npy"), rows)
    three.with_suffix(".npy").replace(three)
    (decisions.decided / name / "more.states").write_bytes(b"")
    decisions.fails(
        f"one_stream_of_states: {name}: {one.name} is missing",
        f"{two.name} holds",
        f"{three.name} holds states that there are not",
        "more.states belongs to no recording",
    )


def test_nothing_decided_is_a_fail_and_not_an_error(decisions: DecisionCase) -> None:
    shutil.rmtree(decisions.decided)
    decisions.decided.mkdir()
    verdict = decisions.fails("whole: nothing was decided", "event_sensitivity is not measured")
    assert verdict.measurements["auc"] is None


# ---- what it learned from


def test_a_controller_of_other_labels_is_refused(decisions: DecisionCase) -> None:
    decisions.describe(labels_sha256="0" * 64)
    decisions.fails("labels_seen: the candidate was trained on other labels than those given")
    decisions.describe(labels_sha256=None)
    decisions.fails("labels_seen: the candidate was trained on other labels")


def test_labels_of_a_sealed_patient_in_the_training_are_refused(decisions: DecisionCase) -> None:
    stem = decisions.stems[0]
    moved = json.loads((decisions.labels / "sealed" / "labels.json").read_text())["recordings"][stem]
    edit(
        decisions.labels / "fit" / "labels.json",
        lambda one: one["recordings"].update({stem: {**moved, "split": "train"}}),
    )
    decisions.make()
    decisions.fails(
        f"test_patients_unseen: {stem} of {moved['patient']} was trained on and is in the test split",
        f"labels_seen: {stem} is labelled twice",
    )


def test_a_split_that_was_made_again_after_the_labels_is_refused(decisions: DecisionCase) -> None:
    split = json.loads((decisions.split / "split.json").read_text())
    patient = next(name for name, home in split["subjects"].items() if home == "train")
    split["subjects"][patient] = "test"
    for stem, name in split["people"].items():
        if name == patient:
            split["recordings"][stem] = "test"
    (decisions.split / "split.json").write_text(json.dumps(split))
    decisions.decide()
    decisions.fails(
        "is labelled for train, the split has it in test", "has no labels", "test_patients_unseen"
    )


@pytest.mark.parametrize("name", ["candidate", "corpus", "split", "labels", "registry"])
def test_what_is_not_what_the_graph_recorded_is_refused(decisions: DecisionCase, name: str) -> None:
    names = ("candidate", "corpus", "split", "labels", "registry")
    digests = {**dict.fromkeys(names, "other"), name: "0123"}
    decisions.fails(f"inputs_unchanged: {name} has digest", digests=digests)


# ---- how much was measured


def test_frames_without_a_label_count_nowhere(decisions: DecisionCase) -> None:
    before = decisions.judge()
    false = [row for row in before.details["events"] if row["what"] == "false alarm"]
    assert false
    labels = read_labels(decisions.labels / "sealed")
    for row in false:
        own = labels.of(row["recording"])
        own[int(row["from_s"] * 4) : int(row["to_s"] * 4)] = 255
        np.save(decisions.labels / "sealed" / f"{row['recording']}.npy", own)
    after = decisions.judge()
    assert figure(after, "fa_per_h") == 0
    assert not [row for row in after.details["events"] if row["what"] == "false alarm"]
    assert after.details["counts"]["hours"] < before.details["counts"]["hours"]
    assert figure(after, "critical_share") < figure(before, "critical_share")


def test_too_few_seizures_patients_or_hours_are_not_enough(decisions: DecisionCase) -> None:
    (decisions.registry / "registry.yaml").write_text(
        REGISTRY.replace("critical_events: 3", "critical_events: 5").replace("hours: 0.05", "hours: 1")
    )
    decisions.fails("minimum critical_events is 3, required >= 5", "minimum hours is 0.1, required >= 1")


def test_a_registry_of_another_gate_or_without_decisions_judges_nothing(decisions: DecisionCase) -> None:
    path = decisions.registry / "registry.yaml"
    path.write_text(REGISTRY.replace("lamquant-snn", "lamquant-device"))
    with pytest.raises(Refused):
        decisions.judge()
    path.write_text(REGISTRY.replace("min_auc: 0.7", "min_acu: 0.7"))
    with pytest.raises(Refused, match=r"decisions\.min_acu"):
        decisions.judge()
    path.write_text(REGISTRY)
    with pytest.raises(Refused, match="change_class"):
        decisions.judge(change={**CHANGE, "change_class": "Z.9"})


def test_a_controller_with_other_frames_than_the_labels_is_refused(decisions: DecisionCase) -> None:
    decisions.describe(frame_ms=500)
    with pytest.raises(Refused, match=r"decides every 500 ms, the labels 250 ms"):
        decisions.judge()


# ---- beside what it would replace


def test_what_would_be_replaced_is_measured_on_the_same_recordings(
    decisions: DecisionCase, tmp_path: Path
) -> None:
    before = DecisionCase(tmp_path / "before")
    shutil.copytree(decisions.root, before.root)
    decisions.make("ssm", Point(0))
    beside = {"incumbent": before.candidate, "incumbent_decided": before.decided}
    verdict = decisions.judge(beside, incumbent_digest="abc")
    assert verdict.incumbent is not None and "auc" in verdict.incumbent.worse
    assert verdict.incumbent.figures["auc"] == figure(before.judge(), "auc")
    beside = {"incumbent": before.candidate, "incumbent_decided": before.decided}
    again = before.judge(beside, incumbent_digest="a")
    assert again.passed and again.incumbent is not None and again.incumbent.worse == []
    lost = before.judge(incumbent_digest="abc").incumbent
    assert lost is not None and set(lost.worse) == {"auc", "event_sensitivity", "fa_per_h"}


def test_a_threshold_is_of_the_candidate_and_another_is_another_candidate(decisions: DecisionCase) -> None:
    digest = digest_path(decisions.candidate)
    decisions.make(point=Point(THRESHOLD - 1))
    assert digest_path(decisions.candidate) != digest
