"""Judges a GGUF from stored bytes before a governed name may stand for it; fail-closed.

The floors of fidelity are those that the GGUF was made with: they are in its bytes, so in its digest. The
floors of the evaluation are the registration's own.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from blut_resources.registry.verdicts import Change, Floor, Verdict, judge
from cookbooks.llm.gate.floors import Floors, possible
from cookbooks.llm.llama.fidelity import read_report

EVALUATION_SCHEMA = "blut.eval_report.v1"
SYNTHETIC = ("distill_sequence", "distill_on_policy")
ASKED = ("max_kl", "min_top1", "max_perplexity_ratio")


class Evidence(NamedTuple):
    """Holds what was measured on one GGUF:
    the stored reports, and the digests of the models they are about.
    """

    fidelity: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    digests: Mapping[str, str]


def read_evidence(fidelity: bytes, evaluation: bytes, digests: Mapping[str, str]) -> Evidence:
    """Returns the reports beside a GGUF and of its evaluation.

    Args:
        fidelity: the bytes of ``fidelity.json``.
        evaluation: the bytes of the evaluation's ``report.json``.
        digests: of base and quantised model.

    Raises:
        ValueError: one of them is no such report.
    """
    report = json.loads(evaluation)
    if not isinstance(report, dict) or report.get("schema") != EVALUATION_SCHEMA:
        raise ValueError(f"report.json is no {EVALUATION_SCHEMA}; evaluate the models again")
    return Evidence(read_report(fidelity), report, digests)


def floors_in_force(evidence: Evidence, *, max_loss_increase: float, min_rows: int) -> list[Floor]:
    """Returns everything that the verdict must judge, in a fixed order.

    Raises:
        ValueError: the GGUF was made with other floors, or with none, or with such as no floor can be.
    """
    asked = evidence.fidelity.get("floors", {})
    if missing := [name for name in ASKED if name not in asked]:
        raise ValueError(f"fidelity.json names no floor {', '.join(missing)}; make the GGUF again")
    given = {name: float(asked[name]) for name in ASKED}
    return Floors(**given, max_loss_increase=max_loss_increase, min_eval_rows=min_rows).required()


def verdict_of(
    name: str,
    inputs: Mapping[str, str],
    evidence: Evidence,
    floors: list[Floor],
    change: Change,
    *,
    synthetic: bool,
) -> Verdict:
    """Returns the judgement of the GGUF under its registered name;
    what is missing or no finite number fails.

    Args:
        synthetic: whether it learned what a model wrote.
    """
    measured = {"gguf": _fidelity(evidence.fidelity), "held_out": _evaluation(evidence)}
    criteria = judge(measured, floors, possible)
    computed_by = evidence.evaluation.get("environment") or {}
    return Verdict.of(
        criteria,
        model=name,
        change=change,
        candidate=evidence.digests["quantised"],
        inputs=dict(inputs),
        measurements={criterion.name: criterion.measured for criterion in criteria},
        synthetic=synthetic,
        environment=computed_by.get("digest"),
        details={"environment": computed_by["listing"]} if computed_by else {},
    )


def learned_from_a_model(story: bytes) -> bool:
    """Says whether a training learned texts that a model wrote, by its ``trainer.json``.

    The answers of a teacher are synthetic data, as is what a student writes itself; a teacher's distribution
    over the examples' own answers is not.

    Raises:
        ValueError: it is no such file.
    """
    kind = json.loads(story).get("kind")
    if not isinstance(kind, str):
        raise ValueError("trainer.json does not say what kind of training it was; train again")
    return kind in SYNTHETIC


def _fidelity(found: Mapping[str, Any]) -> dict[str, float | None]:
    ours, theirs = found.get("perplexity"), found.get("perplexity_reference")
    return {
        "tokenizer_equal": _flag(found, "tokenizer_equal"),
        "kl": found.get("kl"),
        "top1_agreement": found.get("top1_agreement"),
        "perplexity_ratio": ours / theirs if ours and theirs else None,
        # None: neither file has a template
        "template_differs": _is(found, "template_equal", False),
        "runs_on": _both(_flag(found, "reference_stops"), _is(found, "answer_stops", False)),
    }


def _evaluation(evidence: Evidence) -> dict[str, float | None]:
    """Judge the evaluation: ``loss_increase`` is the upper end of the interval, so what is not sure fails."""
    models = evidence.evaluation.get("models", [])
    judged = {model.get("name"): model.get("digest") for model in models}
    needed = ("base", "quantised")
    others = sum(judged.get(name) != evidence.digests[name] for name in needed)
    loss = _loss(evidence.evaluation)
    rows = [loss.get("models", {}).get(name, {}).get("n") for name in needed]
    return {
        "other_models": float(others),
        "rows": min(rows) if all(isinstance(n, int) for n in rows) else None,
        "loss_increase": _increase(loss.get("differences", {})),
    }


def _increase(differences: Mapping[str, Any]) -> float | None:
    """Returns the increase: the two may have been scored in either order."""
    if "quantised - base" in differences:
        return differences["quantised - base"].get("high")
    low = differences.get("base - quantised", {}).get("low")
    return None if low is None else -low


def _loss(report: Mapping[str, Any]) -> Mapping[str, Any]:
    for task in report.get("tasks", []):
        if task.get("task") == "held_out":
            return task.get("metrics", {}).get("loss", {})
    return {}


def _flag(found: Mapping[str, Any], name: str) -> float | None:
    return float(found[name]) if isinstance(found.get(name), bool) else None


def _is(found: Mapping[str, Any], name: str, value: bool) -> float | None:
    return float(found[name] is value) if name in found else None


def _both(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one * other
