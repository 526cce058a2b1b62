"""Declares what is worth a look at a result, in a check that warns: it neither stops nor fails a run.

It belongs to the step of its asset, for a step of its own would cost more than the look, and it is said of a
reused result too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import dagster as dg


class Noticed(NamedTuple):
    """Says what a look at a result came to: whether all is well, why in words, and the figures."""

    passed: bool
    text: str
    figures: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Notice:
    """Declares a check of one asset that warns.

    Attributes:
        name: of the check.
        description: what is well if it passes.
        look: called with the artifact, and with the metadata of its materialization when it was computed.
    """

    name: str
    description: str
    look: Callable[[Any, Mapping[str, Any]], Noticed] = field(repr=False)

    def spec(self, key: dg.AssetKey) -> dg.AssetCheckSpec:
        """Returns the check as Dagster has it."""
        return dg.AssetCheckSpec(self.name, asset=key, description=self.description, blocking=False)


def noticed(
    notices: Sequence[Notice], artifact: Any, metadata: Mapping[str, Any]
) -> list[dg.AssetCheckResult]:
    """Returns what the checks of an asset say of a result; one that cannot look says so."""
    plain = {name: getattr(value, "value", value) for name, value in metadata.items()} if notices else {}
    found = []
    for notice in notices:
        try:
            seen = notice.look(artifact, plain)
        except Exception as error:
            seen = Noticed(False, f"nobody could look: {type(error).__name__}: {error}")
        found.append(
            dg.AssetCheckResult(
                check_name=notice.name,
                passed=seen.passed,
                description=seen.text,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=dict(seen.figures),
            )
        )
    return found


def none_refused(name: str, noun: str, count: str, where: str) -> Notice:
    """Returns the check that warns where some of what came in was refused.

    Args:
        name: of the check.
        noun: what came in, such as ``recordings``.
        count: the fact of the artifact that counts the refused ones.
        where: the file that has each of them with the reason.
    """

    def look(artifact: Any, _metadata: Mapping[str, Any]) -> Noticed:
        refused = getattr(artifact, count)
        text = (
            f"{refused} {noun} refused; {where} has each with the reason" if refused else "none was refused"
        )
        return Noticed(not refused, text, {count: refused})

    return Notice(name, f"None of the {noun} was refused.", look)


def _held(_artifact: Any, metadata: Mapping[str, Any]) -> Noticed:
    held, by = metadata.get("contained"), metadata.get("containment")
    if by is None:
        return Noticed(True, "no process was started for it")
    if held:
        return Noticed(True, f"held by {by}", {"containment": by})
    why = (
        metadata.get("containment_reason")
        or metadata.get("containment_notes")
        or "nothing stronger was asked for"
    )
    return Noticed(False, f"by {by}, a memory limit would not have been enforced: {why}", {"containment": by})


HELD = Notice("containment_held", "The tree of its process was held, its memory limit included.", _held)
