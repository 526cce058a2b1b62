"""Declares the checks that stop a run at a verdict that is a fail."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.pages.headline import facts_shown
from blut_assets.retrying import gate_check
from blut_assets.stages.spec import spec_of
from blut_resources.instance.instance import store_of
from blut_resources.registry.verdicts import VERDICT_FILE, Verdict, parse_verdict
from cookbooks.lamquant.artifacts.firmware import DeviceVerdict
from cookbooks.lamquant.artifacts.verdicts import (
    DecoderVerdict,
    OracleVerdict,
    PccpVerdict,
    PipelineVerdict,
    SnnVerdict,
)
from cookbooks.lamquant.gate.page import worst_table
from cookbooks.lamquant.verdicts.decoder import decoder_verdict
from cookbooks.lamquant.verdicts.device import device_verdict
from cookbooks.lamquant.verdicts.joint import pccp_verdict
from cookbooks.lamquant.verdicts.oracle import oracle_verdict
from cookbooks.lamquant.verdicts.pipeline import pipeline_verdict
from cookbooks.lamquant.verdicts.snn import snn_verdict

SHOWN = 12
"""Rows of the table of a check; the verdict's page has more."""
REMEDY = "docs/gates.md says which argument moves which figure, and how to write floors of your own"
MEETS = "The candidate meets every floor of the registry."


def gate_of(
    asset: dg.AssetsDefinition, name: str, judgement: type[Artifact], praise: Callable[[Any], str]
) -> dg.AssetChecksDefinition:
    """Returns the blocking check of a verdict: below a floor, nothing after it runs.

    Args:
        asset: the verdict.
        name: of the check.
        judgement: what the asset makes.
        praise: what is said where every floor is met.
    """

    def gate(context: dg.AssetCheckExecutionContext, judged: Any) -> dg.AssetCheckResult:
        verdict = parse_verdict(store_of(context.instance).read(judged.digest, VERDICT_FILE))
        return dg.AssetCheckResult(
            passed=verdict.passed,
            description=_refusal(verdict) or f"every floor met; {praise(judged)}",
            metadata=_shown(judged, asset, verdict),
        )

    gate.__annotations__["judged"] = judgement  # by this the input is read
    return gate_check(asset=asset, name=name, description=MEETS)(gate)


def _shown(judged: Artifact, asset: dg.AssetsDefinition, verdict: Verdict) -> dict[str, Any]:
    """Returns the metadata of a check; Dagster shows it in the order of the alphabet."""
    spec, rows = spec_of(asset), verdict.details.get("worst", [])
    table = {"beside_the_floors": worst_table(rows, SHOWN)} if rows else {}
    return {**table, **facts_shown(judged, spec.headline if spec else ())}


def _refusal(verdict: Verdict) -> str:
    """Returns each reason, whose floors they are, and where to read on; empty where there is none."""
    reasons = "; ".join(verdict.reasons)
    return f"{reasons} (floors of {verdict.model}: {REMEDY})" if reasons else ""


def _level_and_margin(judged: PccpVerdict) -> str:
    return f"grade (LQS level): {judged.grade}; least margin: {judged.worst_part}"


def _found_and_alarmed(judged: SnnVerdict) -> str:
    found, false = judged.event_sensitivity, judged.fa_per_h
    told = "no seizures to find" if found is None else f"{found:.2f} of {judged.n_events} seizures found"
    return told if false is None else f"{told}, {false:.1f} false alarms an hour"


def _headroom(judged: OracleVerdict) -> str:
    low, high = judged.headroom_low_pct, judged.headroom_high_pct
    return f"headroom {judged.headroom_bits_pct:+.2f} % of the bytes, 95 % interval {low:+.2f} to {high:+.2f}"


def _gain(judged: DecoderVerdict) -> str:
    return f"PRDN is {judged.gain_pct:.2f} % less; no recording is worse"


def _advantage_and_error(judged: PipelineVerdict) -> str:
    fewer = f"{judged.rate_advantage:.2f} times fewer bytes than the best constant level"
    return f"{fewer}, PRDN {judged.critical_prdn:.1f} % in critical seconds"


def _budget_and_margin(judged: DeviceVerdict) -> str:
    room = f"{judged.flash_bytes:g} bytes of flash, {judged.ram_bytes:g} of RAM"
    return f"{room}; every byte is the twin's; least margin: {judged.worst_part}"


GATES = [
    gate_of(pccp_verdict, "pccp_gate", PccpVerdict, _level_and_margin),
    gate_of(pipeline_verdict, "pipeline_gate", PipelineVerdict, _advantage_and_error),
    gate_of(snn_verdict, "snn_gate", SnnVerdict, _found_and_alarmed),
    gate_of(oracle_verdict, "oracle_gate", OracleVerdict, _headroom),
    gate_of(decoder_verdict, "decoder_gate", DecoderVerdict, _gain),
    gate_of(device_verdict, "device_gate", DeviceVerdict, _budget_and_margin),
]
