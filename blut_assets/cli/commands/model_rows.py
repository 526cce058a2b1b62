"""Shows models, versions and their history as `blut model` does."""

from blut_assets.cli.views.models import passed_word
from blut_assets.terminal.output import columns
from blut_resources.registry.models import Entry, Governance, ModelRegistry, Registration
from blut_resources.registry.retirement import Retirement
from blut_resources.registry.verdicts import PromotionRefused, Verdict, read_verdict
from blut_resources.store.artifacts import ArtifactStore, StoreError

SHORT = 12
FIRST = 3
"""Figures of a line about a version that names none of its own."""
Event = Registration | Entry | Retirement | Governance


def versions(registry: ModelRegistry, records: list[Registration]) -> list[dict[str, str]]:
    """Returns a line about each version of a model, with the figures that any of them puts first."""
    named = list(dict.fromkeys(figure for record in records for figure in _headline(record)))
    return [_version(registry, record, named) for record in records]


def _headline(record: Registration) -> list[str]:
    return record.headline or sorted(record.figures)[:FIRST]


def _version(registry: ModelRegistry, record: Registration, figures: list[str]) -> dict[str, str]:
    names = [a for a, e in registry.aliases(record.name).items() if e.candidate == record.candidate]
    retirement = registry.retired(record.name).get(record.version)
    return {
        "version": str(record.version),
        "verdict": passed_word(record),
        "aliases": ", ".join(names) or "-",
        "retired": f"by {retirement.by} on {retirement.at[:10]}" if retirement else "-",
        **{name: _figure(record, name) for name in figures},
        "candidate": record.candidate[:SHORT],
        "licence": record.license,
        "registered": record.at[:19],
        "run": record.run[:8],
    }


def story(registry: ModelRegistry, store: ArtifactStore, record: Registration | Entry) -> str:
    """Returns everything about a version: what it is, what it was judged on and by, and what came out.

    Of what was promoted without being a version there is only the promotion.
    """
    if isinstance(record, Entry):
        rows = [("candidate", record.candidate), *_grounds(record), *record.inputs.items()]
        return columns([{record.model: name, "": value} for name, value in rows])
    rows = [
        *_version(registry, record, _headline(record)).items(),
        ("candidate", record.candidate),
        *((role, digest) for role, digest in record.inputs.items()),
        ("verdict digest", record.verdict),
        *_judged(registry, store, record),
        *((f"floor: {f.kind} {f.name}", f"{f.op} {f.floor:g}") for f in record.floors),
        *((f"measured: {name}", _figure(record, name)) for name in record.figures),
    ]
    return columns([{record.model: name, "": value} for name, value in dict(rows).items()])


def _judged(registry: ModelRegistry, store: ArtifactStore, record: Registration) -> list[tuple[str, str]]:
    """Returns what the verdict says of itself; nothing where it is not to be had."""
    try:
        verdict = read_verdict(store.open(record.verdict), record.verdict)
    except (StoreError, PromotionRefused):
        return []
    made_up = {None: "not known", True: "yes", False: "no"}[verdict.synthetic]
    change = verdict.change
    rows = [
        ("change", f"{change.change_id} ({change.change_class}) by {change.author}: {change.description}"),
        ("synthetic data", made_up),
        ("isolation", verdict.isolation or "not known"),
        ("reasons", "; ".join(verdict.reasons) or "every floor met"),
    ]
    if verdict.sealed:
        rows += [("sealed set", verdict.sealed), ("tries", _tries(registry, verdict, record.name))]
    return rows


def _tries(registry: ModelRegistry, verdict: Verdict, name: str) -> str:
    place = f"number {verdict.tries} of " if verdict.tries else ""
    return f"{place}{registry.tries(name, verdict.sealed or '')} candidates judged on this sealed set"


def compared(entry: Entry) -> str:
    """Says how a promoted candidate compares with what it replaced, in words."""
    if entry.previous is None:
        return "it replaces nothing"
    if entry.worse is None:
        return "it was not compared with what it replaces"
    return (
        f"worse than what it replaces: {'; '.join(entry.worse)}"
        if entry.worse
        else ("no worse than what it replaces on the same sealed set")
    )


def event(record: Event) -> dict[str, str]:
    """Returns a line of the history."""
    if isinstance(record, Retirement):
        what, target, detail = f"version {record.version}", record.candidate, ""
    elif isinstance(record, Registration):
        what, target = f"version {record.version}", record.candidate
        detail = f"{passed_word(record)}; run {record.run[:8]}"
    elif isinstance(record, Governance):
        what, target = f"floors of {record.alias}", record.floors
        detail = f"{len(record.rules)} floors {'pinned' if record.action == 'govern' else 'taken away'}"
    else:
        what = f"{record.alias} -> {'nothing' if record.action == 'drop' else record.told}"
        target, detail = record.candidate, "; ".join(_details(record))
    return {
        "at": record.at[:19],
        "action": action_of(record),
        "what": what,
        "digest": target[:SHORT],
        "by": "" if isinstance(record, Registration) else record.by,
        "why": "" if isinstance(record, Registration | Retirement) else record.why,
        "detail": detail,
    }


def action_of(record: Event) -> str:
    """Returns the word for it."""
    if isinstance(record, Retirement):
        return "retire"
    return "register" if isinstance(record, Registration) else record.action


def _details(entry: Entry) -> list[str]:
    if entry.action == "drop":
        return [f"stood for {entry.told}"]
    said = [f"verdict {entry.verdict[:SHORT]}" if entry.verdict else "no verdict"]
    said += [f"floors {entry.floors[:SHORT]}"] if entry.floors else []
    said += [f"try {entry.tries} on sealed set {(entry.sealed or '')[:SHORT]}"] if entry.tries else []
    said += [compared(entry)] if entry.action == "promote" and entry.by else []
    said += [f"allowed: {entry.allow_worse}"] if entry.allow_worse else []
    return said + ([f"another sealed set: {entry.new_sealed}"] if entry.new_sealed else [])


def _grounds(entry: Entry) -> list[tuple[str, str]]:
    return [
        ("promoted", entry.at[:19]),
        ("by", entry.by),
        ("why", entry.why),
        ("change", entry.change_id),
        ("detail", "; ".join(_details(entry))),
    ]


def _figure(record: Registration, name: str) -> str:
    value = record.figures.get(name)
    return "-" if value is None else f"{value:.4g}"
