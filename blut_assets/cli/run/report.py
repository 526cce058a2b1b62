"""Prints a finished run: a line per asset, what failed and why, and the outcome."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import dagster as dg

from blut_assets.cli.run.lookup import check_word
from blut_assets.history.failures import STOPPED, cause_of, failed_by_check, is_planned
from blut_assets.stages import reuse
from blut_assets.stages.spec import StageSpec, specs_of
from blut_assets.terminal.output import columns, numbers
from blut_resources.text import text_of

Row = dict[str, str]


class Ran(Protocol):
    """Stands for a recipe, or a stage by itself."""

    @property
    def name(self) -> str:
        """Returns its name, as a person types it."""
        ...

    @property
    def assets(self) -> Sequence[dg.AssetsDefinition]:
        """Returns the assets that it makes."""
        ...


AT_DEADLINE = "ended at its deadline"
INTERRUPTED = f"{STOPPED}: run the same command again, and it goes on where it was"


def run_summary(result: Any, ran: Ran, stopped: str = "") -> list[str]:
    """Returns one line per asset of a finished run, then the outcome.

    Args:
        stopped: the outcome, where that is neither a success nor a failure: `STOPPED` or `AT_DEADLINE`.
    """
    specs = specs_of(ran.assets)
    rows = [asset_row(event, specs) for event in _became(result)]
    counts = {word: sum(row["result"] == word for row in rows) for word in ("computed", "reused")}
    failures = [e for e in result.all_events if e.is_step_failure]
    lines = ["", columns(rows)] if rows else []
    lines += [
        f"\n{event.asset_key.to_user_string()}\n{text_of(str(told.value))}"
        for event in result.get_asset_materialization_events()
        if (told := event.materialization.metadata.get(reuse.SUMMARY))
    ]
    lines += [
        f"{event.asset_key.to_user_string()}: reused from {reuse.Hit(event, '', whose).words()}"
        for event in _became(result)
        if isinstance(event, dg.AssetMaterialization) and (whose := reuse.word_of(event, reuse.MADE_BY))
    ]
    causes = [
        ("ENDED" if is_planned(e) else "FAILED", e.step_key, cause_of(e))
        for e in failures
        if not failed_by_check(e)
    ]
    lines += [f"{word} {step}: {why}" for word, step, why in causes if why != STOPPED]
    lines += [INTERRUPTED] if stopped == STOPPED else []
    lines += [check_line(e) for e in result.get_asset_check_evaluations() if not e.passed]
    outcome = "succeeded" if result.success else stopped or "failed"
    tally = ", ".join(f"{count} {word}" for word, count in counts.items())
    return [*lines, f"{ran.name} {outcome}: {tally}, run {result.run_id}"]


def next_commands(result: Any, ran: Ran) -> dict[str, str]:
    """Returns what to type after a run: command -> what it shows."""
    run = result.run_id[:8]
    if any(event.is_step_failure and not failed_by_check(event) for event in result.all_events):
        return {f"blut log {run}": "what its payloads said", f"blut plan resume {run}": "go on where it was"}
    found = {f"blut results {run}": "all that it made, with each fact and each check"}
    made = [event for event in _became(result) if reuse.digest_of(event)]
    facts: list[Any] = [getattr(event.metadata.get(reuse.ARTIFACT), "value", {}) for event in made]
    if names := [one["alias"] for one in facts if one.get("promoted") and one.get("alias")]:
        found[f"blut model show {names[-1]}"] = "what was promoted"
    elif made:
        found[f"blut lineage {reuse.digest_of(made[-1])[:12]}"] = "what the last of it was made of"
    if versions := [
        f"{one['name']}@{one['version']}" for one in facts if one.get("version") and one.get("name")
    ]:
        found[f"blut model export {versions[-1]} DIR"] = "the model and its card, for other programs"
    return {**found, "blut ui": "the same with pictures, in a browser"}


def _became(result: Any) -> Iterator[reuse.Became]:
    """Yields what became of each asset; what stays the newest may be an observation."""
    for event in result.all_events:
        if event.is_step_materialization:
            yield event.materialization
        elif event.is_asset_observation:
            seen = event.asset_observation_data.asset_observation
            if reuse.REUSED in seen.metadata:
                yield seen


def asset_row(event: reuse.Became, specs: dict[dg.AssetKey, StageSpec]) -> Row:
    """Returns what became of one asset; one that is declared no more is shown without its facts."""
    spec, seconds = specs.get(event.asset_key), reuse.number_of(event, reuse.SECONDS)
    queued = 0.0 if reuse.is_reused(event) else reuse.number_of(event, reuse.QUEUED) or 0.0
    return {
        "asset": event.asset_key.to_user_string(),
        "result": how(event, specs),
        "cost": "-" if seconds is None else f"{seconds:.1f} s{f', queued {queued:.1f} s' if queued else ''}",
        "digest": reuse.digest_of(event)[:12],
        "facts": _facts(event, spec) if spec else "",
    }


def how(event: reuse.Became, specs: Mapping[dg.AssetKey, StageSpec]) -> str:
    """Returns ``reused``, ``computed``, ``observed`` for a source, ``executed`` for what acts outside."""
    reused, spec = event.metadata.get(reuse.REUSED), specs.get(event.asset_key)
    if reused and reused.value:
        return "reused"
    return "observed" if spec and spec.source else "computed" if spec is None or spec.memoised else "executed"


def _facts(event: reuse.Became, spec: StageSpec) -> str:
    entry: Any = event.metadata.get(reuse.ARTIFACT)
    facts = {name: entry.value.get(name) for name in spec.headline} if reuse.digest_of(event) else {}
    return numbers({name: value for name, value in facts.items() if value is not None})


def check_line(check: Any) -> str:
    """Returns what a check that did not pass says, in one line."""
    return f"check {check.check_name} {check_word(check).lower()}: {check.description or ''}".rstrip(" :")
