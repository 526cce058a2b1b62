"""Decides when a GGUF is faithful to the model that it was made of."""

import json
from collections.abc import Mapping
from typing import Any

SCHEMA = "blut.gguf_fidelity.v1"
FILE = "fidelity.json"
ROUNDING = 1e-4
"""Nats by which a KL that is none may come out below 0 in 32 bits."""
ANSWER_TOKENS = 150
"""How long an answer may get before it counts as one that does not stop."""


def floors_missed(found: Mapping[str, Any], floors: Mapping[str, float]) -> list[str]:
    """Returns what speaks against a file, in words; empty if it is faithful.

    What is not a number, or missing, does.
    """
    ratio = found["perplexity"] / found["perplexity_reference"]
    missed = []
    if found["tokenizer_equal"] is not True:
        missed.append(f"llama.cpp cuts text into other tokens: {found['tokenizer_difference']}")
    if not -ROUNDING <= found["kl"] <= floors["max_kl"]:
        missed.append(f"KL is {found['kl']:.4g} nats per token, 0 to {floors['max_kl']:g} is allowed")
    if not 1 >= found["top1_agreement"] >= floors["min_top1"]:
        missed.append(
            f"both find the same token likeliest at {found['top1_agreement']:.1%} of the places, at least"
            f" {floors['min_top1']:.1%} is required"
        )
    if not ratio <= floors["max_perplexity_ratio"]:
        missed.append(
            f"perplexity is {ratio:.3f} times the model's, at most {floors['max_perplexity_ratio']:g} times"
            " that is allowed"
        )
    if found["template_equal"] is False:
        missed.append("its chat template renders a conversation otherwise than the model's")
    if found["reference_stops"] and not found["answer_stops"]:
        missed.append(f"it does not end any answer within {ANSWER_TOKENS} tokens; the model does")
    return missed


def read_fidelity(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """Returns the report in the bytes of ``fidelity.json``,
    and what speaks against the file, judged again.

    Raises:
        ValueError: it is no such report.
    """
    report = read_report(data)
    return report, floors_missed(report, report["floors"])


def read_report(data: bytes) -> dict[str, Any]:
    """Returns the stored report, from the bytes of ``fidelity.json``.

    Raises:
        ValueError: it is no such report.
    """
    report = json.loads(data)
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise ValueError(f"{FILE} is no {SCHEMA}; make the GGUF again")
    return report
