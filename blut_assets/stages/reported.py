"""Keeps what a payload that knows nothing of Blut reports to Dagster: an ordinary Pipes script."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from blut_assets.stages.findings import Findings
from blut_resources.payloads.payload import Payload


def reported(
    context: dg.AssetExecutionContext, findings: Findings, payload: Payload, event: Mapping[str, Any]
) -> dict[str, Any]:
    """Show what was reported, and return the metadata of its materialization as the facts of the payload.

    A check goes into the history as it is; the version that a script gives its data is shown, for that of the
    artifact is the digest of its bytes.
    """
    if payload.outside:
        findings.found_unheld(sorted(payload.outside))
    findings.messages += event["messages"]
    facts: dict[str, Any] = {}
    for result in event["results"]:
        if isinstance(result, dg.AssetCheckResult):
            _keep(context, result)
            continue
        findings.show(**result.metadata)
        facts |= {name: value.value for name, value in result.metadata.items()}
        if result.data_version:
            findings.show(reported_data_version=result.data_version.value)
    return facts


def _keep(context: dg.AssetExecutionContext, result: dg.AssetCheckResult) -> None:
    key = context.asset_key
    if not result.passed:
        context.log.warning(f"{key.to_user_string()}: check {result.check_name} did not pass")
    kept = dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=str(result.check_name),
        passed=bool(result.passed),
        metadata=result.metadata or {},
        severity=result.severity,
    )
    context.log_event(kept)  # pyright: ignore[reportArgumentType]  # it takes one, and only does not say so
