"""Registries of the second version: what they may ask for, and that what nobody measured is missed."""

from typing import Any

import pytest

from blut_resources.files.digest import digest_path
from blut_resources.registry.verdicts import Change, Verdict
from cookbooks.lamquant.floors import SHIPPED_DEVICE_REGISTRY
from cookbooks.lamquant.gate.floors import CORPUS, RegistryInvalid, parse_registry, required_floors
from cookbooks.lamquant.gate.in_force import floors_in_force, registry_for
from cookbooks.lamquant.gate.judgement import InputMissing, Judgement, JudgementSettings
from cookbooks.lamquant.gate.registry import parse_second, pinned_second
from tests.cookbooks.lamquant.verdict_case import CHANGE, Case

HEAD = """\
schema: blut.floor_registry.v2
version: 0.1.0
model: {model}
change_classes: [A.1]
split: test
minima: {{recordings: 1, patients: 1, samples: 10000{minima}}}
"""
FIDELITY = """\
each_recording: {min_r: 0.9, max_prdn: 40, min_cr: 4}
bands: {delta: {max_prd: 60, min_r: 0.5}, alpha: {max_prd: 90, min_r: 0.3}}
"""
BUDGETS = "budgets: {max_flash_bytes: 1000, max_ram_bytes: 500}\n"
DECISIONS = "decisions: {min_event_sensitivity: 0.8, max_fa_per_h: 6}\n"


def text(model: str, *blocks: str, minima: str = "") -> bytes:
    return (HEAD.format(model=model, minima=minima) + "".join(blocks)).encode()


DEVICE = text("lamquant-device", FIDELITY, BUDGETS)
SPLIT = b'{"schema": "blut.split.v1", "subjects": {"a": "test"}, "recordings": {"a_1": "test"}}'


def told(floors: Any) -> set[tuple[str, str, float]]:
    return {(f.name, f.op, f.floor) for f in floors if f.scope == CORPUS}


def test_a_key_says_on_which_side_of_its_floor_a_figure_lies():
    floors = floors_in_force(DEVICE, SPLIT)
    assert {("flash_bytes", "<=", 1000), ("ram_bytes", "<=", 500), ("recordings", ">=", 1)} <= told(floors)
    assert {("bit_exact_violations", "==", 0), ("sanitizer_findings", "==", 0)} <= told(floors)
    first = parse_second(DEVICE, "r").fidelity()
    assert first is not None
    of_recordings = [f for f in required_floors(first, ["a_1"]) if f.scope == "a_1"]
    assert of_recordings == [f for f in floors if f.scope == "a_1"], "fidelity as the first version asks it"
    decisions = text("lamquant-snn", DECISIONS, minima=", critical_events: 5, hours: 0.25")
    asked = told(floors_in_force(decisions, SPLIT))
    assert {("event_sensitivity", ">=", 0.8), ("fa_per_h", "<=", 6)} <= asked
    assert {("critical_events", ">=", 5), ("hours", ">=", 0.25)} <= asked


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (text("lamquant-device", FIDELITY), "gate of lamquant-device needs floors of budgets"),
        (text("lamquant-device", BUDGETS), "gate of lamquant-device needs floors of fidelity"),
        (text("lamquant-snn", BUDGETS), "gate of lamquant-snn needs floors of decisions"),
        (text("lamquant-pipeline", FIDELITY, DECISIONS), "needs floors of comparisons"),
        (text("lamquant-oracle"), "needs floors of fidelity or comparisons"),
        (text("lamquant-oracle", BUDGETS), "needs floors of fidelity or comparisons"),
        (text("mine", FIDELITY, BUDGETS), "say by `gate` which of them judges it"),
        (text("mine", FIDELITY, BUDGETS, "gate: joint\n"), "gate"),
        (text("lamquant-snn", "decisions: {}\n"), "a block without a floor"),
        (text("lamquant-snn", "decisions: {min_auc: null}\n"), "a block without a floor"),
        (text("lamquant-snn", "decisions: {min_auc: 1.5}\n"), "decisions.min_auc"),
        (text("lamquant-snn", "decisions: {min_auc: .nan}\n"), "decisions.min_auc"),
        (text("lamquant-snn", "decisions: {max_auc: 0.5}\n"), "decisions.max_auc"),
        (text("lamquant-snn", "decisions: {min_auc: '0.5'}\n"), "decisions.min_auc"),
        (text("lamquant-device", FIDELITY, "budgets: {max_flash_bytes: 1.5}\n"), "budgets.max_flash_bytes"),
        (text("lamquant-device", FIDELITY, "budgets: {max_flash_bytes: 0}\n"), "budgets.max_flash_bytes"),
        (text("lamquant-device", FIDELITY, BUDGETS, "wishes: {}\n"), "wishes"),
        (text("lamquant-snn", DECISIONS, "min_lqs: A\n"), "given without each_recording and bands"),
        (text("lamquant-snn", DECISIONS, FIDELITY.splitlines()[0] + "\n"), "one is given without the other"),
        (text("lamquant-snn", DECISIONS, minima=", hours: 0"), "minima.hours"),
        (DEVICE.replace(b"split: test", b"split: val"), "split"),
        (DEVICE.replace(b"[A.1]", b"[A.1, A.1]"), "a class is listed twice"),
        (DEVICE.replace(b"version: 0.1.0", b"version: 1"), "version"),
    ],
)
def test_a_registry_that_cannot_be_trusted_is_refused_naming_the_field(data: bytes, said: str):
    with pytest.raises(RegistryInvalid, match=r"^r\.yaml: ") as refused:
        parse_second(data, "r.yaml")
    assert said in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("model", "blocks", "held"),
    [
        (
            "lamquant-snn",
            [DECISIONS],
            {("critical_share", "<=", 0.5), ("margin_over_logistic_auc", ">=", -0.02)},
        ),
        (
            "lamquant-snn",
            ["decisions: {max_critical_share: 0.9}\n"],
            {("critical_share", "<=", 0.9), ("event_sensitivity", ">=", 0.05)},
        ),
        (
            "lamquant-pipeline",
            [FIDELITY, DECISIONS, "comparisons: {min_critical_r: 0.5}\n"],
            {("rate_advantage", ">=", 1), ("critical_share", "<=", 0.5)},
        ),
        ("lamquant-decoder", [FIDELITY], {("gain_pct", ">=", 0), ("regression_pct", "<=", 0)}),
    ],
)
def test_what_an_empty_answer_would_pass_by_is_asked_also_where_it_is_not_written(
    model: str, blocks: list[str], held: set[tuple[str, str, float]]
):
    asked = told(floors_in_force(text(model, *blocks), SPLIT))
    assert held <= asked
    assert len({(name, op) for name, op, _ in asked}) == len(asked), "what is written takes its place"


@pytest.mark.parametrize("model", ["lamquant-device", "lamquant-oracle", "lamquant-snn"])
def test_a_codec_takes_no_name_of_another_gate_by_floors_of_the_first_version(model: str):
    first = text(model, FIDELITY).replace(b"floor_registry.v2", b"floor_registry.v1")
    with pytest.raises(RegistryInvalid, match=f"model '{model}' has a gate of its own"):
        parse_registry(first, "r.yaml")
    assert parse_registry(first.replace(model.encode(), b"lamquant-joint"), "r.yaml")


def test_floors_are_pinned_for_the_model_that_they_are_for():
    assert [f for f in pinned_second(DEVICE, "r", "lamquant-device") if f.scope == "*" and f.name == "cr"]
    with pytest.raises(RegistryInvalid, match="for model 'lamquant-device', not 'lamquant-snn'"):
        pinned_second(DEVICE, "r", "lamquant-snn")


def test_a_gate_takes_no_registry_of_another_and_the_shipped_one_is_its_own(tmp_path):
    assert registry_for("device", SHIPPED_DEVICE_REGISTRY).budgets
    own = text("clinic-recorder", FIDELITY, BUDGETS, "gate: device\n")
    (tmp_path / "registry.yaml").write_bytes(own)
    assert registry_for("device", tmp_path).model == "clinic-recorder"
    (tmp_path / "registry.yaml").write_bytes(text("lamquant-snn", DECISIONS))
    with pytest.raises(RegistryInvalid, match="those of the gate 'snn', and not of 'device'"):
        registry_for("device", tmp_path)


def judgement(case: Case, **changes: Any) -> Judgement:
    (case.registry / "registry.yaml").write_bytes(DEVICE)
    names = ("candidate", "corpus", "split", "registry")
    digests = {name: digest_path(case.root / name) for name in names}
    settings = JudgementSettings(digests={**digests, **changes}, split="test", change=Change(**CHANGE))
    return Judgement("device", settings, case.inputs())


def verdict_of(found: Judgement) -> Verdict:
    return found.verdict({}, synthetic=True, details={})


def test_what_nobody_looked_at_or_measured_is_missed(case):
    found = judgement(case)
    found.note_training(case.candidate)
    found.measure_coding(case.candidate, case.bitstreams, case.decoded)
    found.note("bit_exact", [])
    found.note("bundle_mismatches", [])
    found.measured[CORPUS]["flash_bytes"] = 1001
    missed = {c.name: c.measured for c in verdict_of(found).criteria if not c.passed}
    assert missed == {
        "budgets_unmeasured": None,
        "device_limits_violations": None,
        "sanitizer_findings": None,
        "flash_bytes": 1001,
        "ram_bytes": None,
    }
    for name in ("budgets_unmeasured", "device_limits", "sanitizer_findings"):
        found.note(name, [])
    found.measured[CORPUS] |= {"flash_bytes": 1000, "ram_bytes": 1}
    assert verdict_of(found).passed, verdict_of(found).reasons
    found.note("bit_exact", ["a_1 differs at byte 7"])
    assert "bit_exact: a_1 differs at byte 7" in verdict_of(found).reasons


def test_an_input_other_than_the_one_that_was_named_fails(case):
    reasons = verdict_of(judgement(case, corpus="0" * 64)).reasons
    assert any(reason.startswith("inputs_unchanged: corpus has digest") for reason in reasons)
    with pytest.raises(InputMissing, match="digests: candidate is missing"):
        judgement(case, candidate="")
