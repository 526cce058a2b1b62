"""Writes a report as a model card: Markdown with the front matter that model hubs read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from blut_assets.cli.report.gathered import SHORT, Report, ReportedVerdict
from blut_assets.cli.run.ancestry import filled
from blut_assets.pages.document import Row, facts
from blut_assets.terminal.output import duration, moment

LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
"""What may be the identifier of a licence; all else is its name."""
SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def card(report: Report, front: Mapping[str, Any] | None = None) -> str:
    """Returns the file; every text in it that others wrote is escaped.

    Args:
        front: of its front matter, what Blut does not know better.
    """
    name = report.model or report.title
    parts = {
        "": _about(report),
        "How it was judged": "\n\n".join(_judged(one) for one in report.judged),
        "What it was trained on" if report.trained else "What it was made of": _table(
            ("asset", "digest", "facts"),
            [(one.asset, one.digest[:SHORT], _told(one.facts)) for one in report.data],
        ),
        "How it was trained": _training(report),
        "What it was made of, up to the sources": _code("\n".join(report.lineage).strip()),
        "How to repeat it": _code("\n".join(report.commands)),
        "What is not known": "\n".join(f"- {_text(one)}" for one in report.missing),
    }
    told = [f"## {title}\n\n{part}" if title else part for title, part in parts.items() if part]
    matter = yaml.safe_dump({**(front or {}), **_front(report)}, sort_keys=False, allow_unicode=True)
    return "\n\n".join([f"---\n{matter}---", f"# {_text(name)}", *told]) + "\n"


def _front(report: Report) -> dict[str, Any]:
    known = report.license if report.license != "unknown" else ""
    licence: dict[str, Any] = {"license": known.lower()}
    if not LICENCE.fullmatch(known.lower()):
        licence = {"license": "other", "license_name": known} if known else {}
    kind = {"tags": ["blut", *filter(None, [report.title if report.title != report.model else ""])]}
    name, measured = report.model or report.title, [*filter(None, map(_result, report.judged))]
    index = {"model-index": [{"name": name, "results": measured}]} if measured else {}
    return {**licence, "model_name": name, **kind, **index}


def _result(one: ReportedVerdict) -> dict[str, Any] | None:
    """Returns what a verdict measured, as hubs list results; None where it has no number."""
    verdict = one.verdict
    found = [
        {"type": name, "name": name, "value": value}
        for name, value in verdict.measurements.items()
        if value is not None
    ]
    if not found:
        return None
    of = (
        f"sealed test set {verdict.sealed[:SHORT]}"
        if verdict.sealed
        else f"data of verdict {one.digest[:SHORT]}"
    )
    dataset = {"name": f"{of}{', made up' if verdict.synthetic else ''}", "type": "other"}
    revision = {"revision": verdict.sealed} if verdict.sealed else {}
    task = {"type": "other", "name": verdict.model}
    return {"task": task, "dataset": {**dataset, **revision}, "metrics": found}


def _about(report: Report) -> str:
    standing = report.standing
    return _table(
        ("", ""),
        facts(
            {
                "made by": report.title if report.title != report.model else "",
                "run": standing.get("id"),
                "began": moment(standing["started"]) if standing.get("started") else "",
                "took": duration(standing["seconds"]) if standing.get("seconds") is not None else "",
                "licence": report.license,
                "commit": (report.environment.get("git") or {}).get("commit"),
                "python": report.environment.get("python"),
            }
        ),
    )


def _judged(one: ReportedVerdict) -> str:
    verdict = one.verdict
    counts = verdict.details.get("counts")
    doubts = [*verdict.reasons, *(verdict.reservations or [])]
    if verdict.synthetic:
        doubts.append("It was judged on data that are made up: they say nothing of its quality.")
    criteria = sorted(verdict.criteria, key=lambda c: (c.passed, c.kind, c.scope, c.name))
    floors = [
        (c.scope, c.kind, c.name, f"{c.op} {c.floor:g}", c.measured, "met" if c.passed else "MISSED")
        for c in criteria
    ]
    parts = [
        f"**{'Passed' if verdict.passed else 'Failed'}**, as {_text(verdict.model)}, by the verdict"
        f" `{one.digest}` on the bytes `{verdict.candidate}`.",
        "\n".join(f"- {_text(doubt)}" for doubt in doubts),
        _table(("figure", "measured"), facts(verdict.measurements)),
        _table(("on whom", ""), facts(counts) if isinstance(counts, Mapping) else []),
        _table(("of", "kind", "figure", "floor", "measured", ""), floors),
    ]
    return "\n\n".join(part for part in parts if part)


def _training(report: Report) -> str:
    last = [
        (asset, len(rows), ", ".join(f"{name} {value}" for name, value in facts(_metrics(rows[-1]))))
        for asset, rows in report.curves.items()
        if rows
    ]
    tables = [
        _table(("training", "epochs", "the last one"), last),
        _table(("setting", "value"), facts(filled(report.settings))),
    ]
    return "\n\n".join(part for part in tables if part)


def _metrics(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if isinstance(value, float) and name != "timestamp"}


def _told(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {value}" for name, value in facts(values)) or "-"


def _table(titles: Sequence[str], rows: Iterable[Row]) -> str:
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    head = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    return "\n".join([*head, *lines]) if lines else ""


def _cell(value: object) -> str:
    return "-" if value is None else _text(f"{value:.6g}" if isinstance(value, float) else value)


def _text(value: object) -> str:
    return SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _code(text: str) -> str:
    """Returns a block that no line of the text ends."""
    longest = max((len(run) for run in re.findall("`+", text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}" if text else ""
