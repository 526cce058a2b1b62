"""Checks what a promotion must satisfy beside a passing verdict. Every refusal names the remedy.

Of every alias: nothing that rests on made-up data, unless the alias says so in its name; judged on the sealed
set that the alias has always been judged on; no worse than what it replaces. A governed alias asks more: the
floors that are pinned for it, and a change that somebody answers for.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from blut_resources.files.digest import digest_bytes
from blut_resources.registry.records import Authority, Entry, Governance
from blut_resources.registry.verdicts import Change, Criterion, Floor, PromotionRefused, Verdict, applied

SYNTHETIC = "synthetic-"
"""How the aliases begin that take candidates judged on made-up data."""
DRY_RUN = re.compile(r"dry[\W_]*run", re.IGNORECASE)
NOBODY = {"", "blut", "unknown", "anonymous", "nobody", "none", "n/a", "-"}
WORST = "worst_"
"""How a summary figure begins that is that of the worst part; where there are any, these are compared."""
SHORT = 12


def refuse_synthetic(model: str, document: Verdict) -> None:
    """Refuse made-up data below any alias whose name does not say so.

    Raises:
        PromotionRefused: with the aliases that take it.
    """
    name, _, alias = model.partition("@")
    if document.synthetic and not alias.startswith(SYNTHETIC):
        raise PromotionRefused(
            f"{model}: the candidate rests on synthetic data, which only {name}@{SYNTHETIC}* aliases take,"
            f" such as {name}@{SYNTHETIC}{alias}"
        )


def change_problems(change: Change) -> list[str]:
    """Returns why nobody answers for a change; empty if somebody does."""
    problems = []
    if DRY_RUN.search(change.change_id):
        problems.append(f"change_id {change.change_id!r} is that of a dry run")
    if not change.description.strip():
        problems.append("description is empty")
    if change.author.strip().lower() in NOBODY:
        problems.append(f"author {change.author!r} is nobody")
    return problems


def refuse_without_authority(model: str, document: Verdict, pinned: Governance | None) -> None:
    """Refuse what a governed alias does not take.

    Args:
        model: ``name@alias``.
        document: the passing verdict on the candidate.
        pinned: the floors in force for the alias.

    Raises:
        PromotionRefused: no floors are pinned, the candidate does not meet them, nobody answers for the
            change, it is not known to rest on real data, its judges were not isolated, or the verdict has
            reservations.
    """
    if pinned is None:
        raise PromotionRefused(
            f"{model} is governed and owns its floors, but none are pinned:"
            f" `blut model govern {model} --floors FILE --why TEXT` pins them"
        )
    if document.synthetic is None:
        raise PromotionRefused(
            f"{model} is governed, and the verdict does not say whether the candidate rests on synthetic"
            " data: run its recipe again, which judges it anew (the training is reused)"
        )
    if document.isolation == "none" or (pinned.isolated and document.isolation is None):
        found = "found nothing to isolate them" if document.isolation else "does not say what did"
        raise PromotionRefused(
            f"{model} is governed and takes a verdict whose processes could not see the originals; this one"
            f" {found}: judge it on a machine whose kernel has Landlock or allows user namespaces"
        )
    if document.reservations:
        raise PromotionRefused(f"{model} is governed, but {'; '.join(document.reservations)}")
    if problems := change_problems(document.change):
        raise PromotionRefused(
            f"{model} is governed and takes a change that somebody answers for: {'; '.join(problems)}: run"
            " the recipe again with change_id, description and author (the training is reused)"
        )
    if problems := misses(document.criteria, pinned.rules):
        raise PromotionRefused(f"the candidate does not meet {_pinned(pinned)}: {'; '.join(problems)}")


def refuse_missed(target: Entry, document: Verdict | None, pinned: Governance) -> None:
    """Refuse to roll a governed alias back to what its floors, pinned since, would not let pass.

    Raises:
        PromotionRefused: with what is missed.
    """
    problems = misses(document.criteria, pinned.rules) if document else ["its verdict is not to be had"]
    if problems:
        raise PromotionRefused(
            f"{target.model} is not rolled back to {target.told}, which does not meet {_pinned(pinned)}:"
            f" {'; '.join(problems)}; --allow-worse WHY says why it may all the same"
        )


def _pinned(pinned: Governance) -> str:
    return (
        f"the floors that {pinned.by} pinned for {pinned.model} on {pinned.at[:10]} ({pinned.floors[:SHORT]};"
        f" `blut model govern {pinned.model} --show`)"
    )


def misses(criteria: Sequence[Criterion], rules: Iterable[Floor]) -> list[str]:
    """Returns what speaks against a verdict's measurements,
    judged by these rules whatever it was judged by before.

    A rule with the scope `EACH` applies to everything that a criterion of its kind was measured on.
    """
    measured = {(c.kind, c.name, c.scope): c.measured for c in criteria}
    problems = []
    for floor in applied(rules, criteria):
        found = measured.get((floor.kind, floor.name, floor.scope))
        if not floor.satisfied_by(found):
            problems.append(Criterion(**floor.model_dump(), measured=found, passed=False).sentence())
    if any("not measured" in problem for problem in problems):
        problems.append("for what was not measured, judge it by these floors: give them to its recipe")
    return problems


def refuse_other_sealed(
    model: str, document: Verdict, history: Iterable[Entry], authority: Authority
) -> None:
    """Refuse another sealed set than the alias's candidates are judged on:
    another seed may seal easier patients.

    Args:
        history: of the alias, oldest first.

    Raises:
        PromotionRefused: the candidate was judged on another one, and nobody says why.
    """
    kept = [entry for entry in history if entry.sealed]
    if not kept or document.sealed == kept[-1].sealed or authority.new_sealed.strip():
        return
    found = f"on sealed set {document.sealed[:SHORT]}" if document.sealed else "as its verdict does not say"
    raise PromotionRefused(
        f"{model} is judged on sealed set {(kept[-1].sealed or '')[:SHORT]} since {kept[-1].at[:10]}, and the"
        f" candidate was judged {found}; figures on different recordings do not compare: seal the same ones"
        " (the same recordings, test subjects and seed of the split), or say why it is to be another set"
        " (arg new_sealed, or --new-sealed WHY)"
    )


def refuse_worse(
    model: str, document: Verdict, held: Entry | None, before: Verdict | None, authority: Authority
) -> list[str] | None:
    """Returns the figures on which the candidate is worse than what it replaces; None if not compared.

    Args:
        held: what the alias stands for.
        before: the verdict on that.

    Raises:
        PromotionRefused: it is worse, and nobody says why it may be.
    """
    worse = _worse(document, held, before)
    if worse and not authority.allow_worse.strip():
        raise PromotionRefused(
            f"{model}: on the same sealed set the candidate is worse than what it would replace"
            f" ({held.told if held else '-'}): {'; '.join(worse)}: say why it may (arg allow_worse, or"
            " --allow-worse WHY)"
        )
    return worse


def _worse(document: Verdict, held: Entry | None, before: Verdict | None) -> list[str] | None:
    if held is None or held.candidate == document.candidate:
        return None
    incumbent = document.incumbent
    if incumbent and incumbent.candidate == held.candidate:  # measured beside the candidate, in one process
        return [_compared(name, document.measurements, incumbent.figures) for name in incumbent.worse]
    if before is None or document.sealed is None or before.sealed != document.sealed:
        return None
    higher = {c.name: c.op == ">=" for c in document.criteria if c.op != "=="}
    names = [name for name in before.measurements if name.startswith(WORST)] or [*before.measurements]
    worse = []
    for name in names:
        theirs, ours = before.measurements[name], document.measurements.get(name)
        better = higher.get(name.removeprefix(WORST))
        if better is None or theirs is None or ours is None:
            continue
        # half a percent is no difference; of a share or a correlation, that of what is missing to 1
        slack = 0.005 * min(abs(theirs), abs(1 - theirs))
        if ours < theirs - slack if better else ours > theirs + slack:
            worse.append(_compared(name, document.measurements, before.measurements))
    return worse


def _compared(name: str, ours: Mapping[str, float | None], theirs: Mapping[str, float | None]) -> str:
    one, other = ours.get(name), theirs.get(name)
    return name if one is None or other is None else f"{name} is {one:.6g}, was {other:.6g}"


def floors_digest(document: Verdict, pinned: Governance | None) -> str:
    """Returns the digest of the floors that decide:
    the pinned, a registry that the verdict names, or its own.
    """
    if pinned:
        return pinned.floors
    floors = sorted(criterion.as_floor().model_dump_json() for criterion in document.criteria)
    return document.inputs.get("registry") or digest_bytes("\n".join(floors).encode())
