"""What lets a GGUF pass, and that whatever is missing, strange or about another file does not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import Change, Verdict
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.llm.configs.promotion import names_of
from cookbooks.llm.gate.descent import rests_on_synthetic
from cookbooks.llm.gate.floors import EXAMPLE, pinned_floors
from cookbooks.llm.gate.rules import floors_in_force, learned_from_a_model, read_evidence, verdict_of

DIGESTS = {"base": "b" * 64, "quantised": "c" * 64}
CHANGE = Change(change_id="CHG-1", change_class="A.1")
FIDELITY: dict[str, Any] = {
    "schema": "blut.gguf_fidelity.v1",
    **{"kl": 0.01, "top1_agreement": 0.97, "perplexity": 10.1, "perplexity_reference": 10.0},
    **{"tokenizer_equal": True, "template_equal": True, "reference_stops": True, "answer_stops": True},
    "floors": {"max_kl": 0.15, "min_top1": 0.8, "max_perplexity_ratio": 1.25},
}


def report(**change: Any) -> dict[str, Any]:
    """An evaluation report; ``change`` overrides what was measured of the loss."""
    shown = {"value": 2.0, "low": 1.9, "high": 2.1, "n": 30, "method": "bootstrap"}
    loss = {
        "models": {"base": shown, "quantised": shown},
        "differences": {"quantised - base": {"value": -0.3, "low": -0.4, "high": -0.2}},
        **change,
    }
    return {
        "schema": "blut.eval_report.v1",
        "models": [{"name": name, "digest": digest} for name, digest in DIGESTS.items()],
        "tasks": [{"task": "other", "metrics": {}}, {"task": "held_out", "metrics": {"loss": loss}}],
    }


def judged(
    fidelity: dict[str, Any], evaluation: dict[str, Any], *, most: float = 0.0, rows: int = 20
) -> Verdict:
    """Judge what is stored."""
    evidence = read_evidence(json.dumps(fidelity).encode(), json.dumps(evaluation).encode(), DIGESTS)
    floors = floors_in_force(evidence, max_loss_increase=most, min_rows=rows)
    return verdict_of("mine", {"evaluation": "e" * 64}, evidence, floors, CHANGE, synthetic=False)


def test_a_faithful_file_that_predicts_better_than_its_base_passes() -> None:
    verdict = judged(FIDELITY, report())
    assert verdict.passed and verdict.candidate == DIGESTS["quantised"] and verdict.model == "mine"
    assert verdict.measurements["loss_increase"] == -0.2, "the cautious end of the interval"
    assert verdict.measurements["perplexity_ratio"] == pytest.approx(1.01)
    turned = report(differences={"base - quantised": {"value": 0.3, "low": 0.2, "high": 0.4}})
    assert judged(FIDELITY, turned).measurements["loss_increase"] == -0.2


WITHOUT_TEMPLATE = {"template_equal": None, "reference_stops": False, "answer_stops": True}


@pytest.mark.parametrize("change", [WITHOUT_TEMPLATE, {"reference_stops": False, "answer_stops": False}])
def test_what_the_model_cannot_do_either_is_not_asked_of_the_file(change: Any) -> None:
    assert judged({**FIDELITY, **change}, report()).passed


UNFAITHFUL = {
    "kl is 0.2, required <= 0.15": {"kl": 0.2},
    "top1_agreement is 0.7": {"top1_agreement": 0.7},
    "perplexity_ratio is 1.3": {"perplexity": 13},
    "tokenizer_equal is 0": {"tokenizer_equal": False},
    "template_differs is 1": {"template_equal": False},
    "runs_on is 1": {"answer_stops": False},
    "kl is not measured": {"kl": None},
    "fidelity kl is not measured": {"kl": -5},
    "fidelity top1_agreement is not measured": {"top1_agreement": 7},
    "fidelity perplexity_ratio is not measured": {"perplexity": -10},
    "top1_agreement is not measured": {"top1_agreement": float("nan")},
    "perplexity_ratio is not measured": {"perplexity_reference": 0},
    "tokenizer_equal is not measured": {"tokenizer_equal": "yes"},
}


@pytest.mark.parametrize("reason", UNFAITHFUL)
def test_a_file_that_is_not_faithful_fails(reason: str) -> None:
    verdict = judged({**FIDELITY, **UNFAITHFUL[reason]}, report())
    assert not verdict.passed and reason in verdict.reasons[0] and len(verdict.reasons) == 1


@pytest.mark.parametrize("name", sorted(FIDELITY.keys() - {"schema", "floors"}))
def test_a_figure_that_is_missing_fails(name: str) -> None:
    less = {key: value for key, value in FIDELITY.items() if key != name}
    (reason,) = judged(less, report()).reasons
    assert "not measured" in reason


NOT_EVALUATED = {
    "loss_increase is -0.2, required <= -0.5": {"most": -0.5},
    "rows is 30, required >= 31": {"rows": 31},
    "loss_increase is 0.1": {"evaluation": report(differences={"quantised - base": {"high": 0.1}})},
    "loss_increase is not measured": {"evaluation": report(differences={})},
    "rows is not measured": {"evaluation": report(models={"base": {"n": 30}})},
    "other_models is 1": {"evaluation": report() | {"models": report()["models"][:1]}},
    "other_models is 2": {"evaluation": report() | {"models": [{"name": "quantised", "digest": "f"}]}},
}


@pytest.mark.parametrize("reason", NOT_EVALUATED)
def test_an_evaluation_that_does_not_speak_for_this_file_fails(reason: str) -> None:
    how = {"evaluation": report(), **NOT_EVALUATED[reason]}
    verdict = judged(FIDELITY, **how)
    assert not verdict.passed and any(reason in said for said in verdict.reasons), verdict.reasons


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fidelity\.json is no blut\.gguf_fidelity\.v1; make the GGUF"):
        judged({}, report())
    with pytest.raises(ValueError, match=r"report\.json is no blut\.eval_report\.v1; evaluate"):
        judged(FIDELITY, {})
    with pytest.raises(ValueError, match="names no floor max_kl"):
        judged({**FIDELITY, "floors": {"min_top1": 0.5, "max_perplexity_ratio": 2}}, report())
    empty = judged(FIDELITY, {"schema": "blut.eval_report.v1"})
    assert not empty.passed


@pytest.mark.parametrize(
    ("kind", "synthetic"),
    [("sft", False), ("distill_logit", False), ("distill_sequence", True), ("distill_on_policy", True)],
)
def test_a_training_on_what_a_model_wrote_is_on_synthetic_data(kind: str, synthetic: bool) -> None:
    assert learned_from_a_model(json.dumps({"kind": kind}).encode()) is synthetic
    with pytest.raises(ValueError, match="does not say what kind of training it was"):
        learned_from_a_model(b"{}")


SHIPPED = EXAMPLE.read_text()


def test_the_shipped_floors_are_those_of_the_args_and_can_be_pinned() -> None:
    evidence = read_evidence(json.dumps(FIDELITY).encode(), json.dumps(report()).encode(), DIGESTS)
    floors = floors_in_force(evidence, max_loss_increase=0.0, min_rows=20)
    assert pinned_floors(SHIPPED.encode(), "floors.yaml", "mine") == floors


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("max_kl: 0.15", "max_kl: -5", "max_kl"),
        ("max_kl: 0.15", "max_kl: 1.0e+9", "max_kl"),
        ("max_kl: 0.15", "max_kl: .nan", "max_kl"),
        ("min_top1: 0.8", "min_top1: 7", "min_top1"),
        ("min_top1: 0.8", "min_top1: 0", "min_top1"),
        ("min_top1: 0.8", "min_top1: '0.8'", "min_top1"),
        ("min_eval_rows: 20", "min_eval_rows: 0", "min_eval_rows"),
        ("min_eval_rows: 20", "", "min_eval_rows"),
        ("max_loss_increase: 0.0", "max_loss_increase: 1.0e+9", "max_loss_increase"),
        ("max_perplexity_ratio: 1.25", "max_perplexity_ratio: .inf", "max_perplexity_ratio"),
        ("version: 1.0.0", "version: 1.0.0\nmin_top2: 1", "min_top2"),
        ("version: 1.0.0", "version: &v 1.0.0\nmin_top2: *v", "an alias (*v)"),
        ("version: 1.0.0", "version: 1.0.0\nversion: 1.0.1", "appears twice"),
        (SHIPPED, "[", "floors.yaml"),
    ],
)
def test_floors_that_nothing_could_miss_or_meet_are_refused_naming_the_field(
    old: str, new: str, told: str
) -> None:
    assert old in SHIPPED
    with pytest.raises(ValueError, match=r"floors\.yaml") as refused:
        pinned_floors(SHIPPED.replace(old, new).encode(), "floors.yaml", "mine")
    assert told in str(refused.value)


def test_the_alias_is_one_of_the_model_that_is_registered() -> None:
    assert names_of("My Model", "") == ("my-model", "")
    assert names_of("Mine", "mine@staging") == ("mine", "staging")
    for promote_as in ("yours@prod", "prod", "mine@", "mine@2", "mine@A"):
        with pytest.raises(ValueError, match=f"promote_as = '{promote_as}': "):
            names_of("mine", promote_as)
    with pytest.raises(ValueError, match="makes the registered name ''"):
        names_of("_", "")


@pytest.mark.parametrize(("made_up", "rests"), [(True, True), (False, False)])
def test_what_is_trained_on_from_a_model_of_synthetic_data_rests_on_it_too(
    tmp_path: Path, made_up: bool, rests: bool
) -> None:
    store, registry = ArtifactStore(tmp_path / "store"), ModelRegistry(tmp_path / "registry")
    evidence = read_evidence(json.dumps(FIDELITY).encode(), json.dumps(report()).encode(), DIGESTS)
    floors = floors_in_force(evidence, max_loss_increase=0.0, min_rows=20)
    verdict = verdict_of("mine", {}, evidence, floors, CHANGE, synthetic=made_up)
    folder = store.staging()
    (folder / "verdict.json").write_bytes(verdict.to_json())
    merged, digest = "a" * 64, store.put(folder)
    told = {"verdict": digest, "passed": True, "floors": floors, "figures": {}, "license": "", "run": "r"}
    registry.register("mine", candidate="c" * 64, inputs={"merged": merged}, **told)
    assert rests_on_synthetic(registry, store, merged) is rests
    assert not rests_on_synthetic(registry, store, "d" * 64), "of that nobody has registered anything"
    shutil.rmtree(tmp_path / "store")
    assert rests_on_synthetic(registry, ArtifactStore(tmp_path / "store"), merged), "nobody can say otherwise"
