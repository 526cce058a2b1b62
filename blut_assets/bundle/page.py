"""Shows a verdict to whoever opens no terminal: one HTML file with plots, that loads nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from blut_assets.pages.document import SHOWN, Row, document, facts, listed, section, short, table
from blut_resources.registry.verdicts import Criterion, Verdict
from blut_resources.text import html

WIDTH, BAR, LABEL = 640, 16, 220


def page(
    model: str, verdict: Verdict, history: Sequence[Mapping[str, Any]], digests: Mapping[str, str]
) -> str:
    """Returns the page; every text in it that others wrote is escaped."""
    body = [f"<h1>{html(model)}</h1>", *sections(verdict, history, digests)]
    return document(f"{model}: verdict", "".join(body))


def sections(
    verdict: Verdict, history: Sequence[Mapping[str, Any]], digests: Mapping[str, str], level: int = 2
) -> list[str]:
    """Returns what the page says of a verdict, as HTML below headings of a level."""
    now = history[-1] if history else {}
    told = {
        "What changed": [table(facts(verdict.change.model_dump(mode="json")))],
        "On whose authority": [table(facts(now, leave=("inputs", "n", "name")))],
        "What was measured": [table(facts(verdict.measurements))],
        "On whom": [table(_on_whom(verdict))],
        "What was the worst": [_worst(verdict)],
        "Against which floors": [_floors(verdict.criteria), *_plots(verdict.criteria)],
        "What it replaces": [table(_replaces(verdict, now))],
        "How it was measured": [table(_how(verdict))],
        "Digests": [table([*facts(digests), *facts(verdict.inputs)])],
    }
    word = "Passed" if verdict.passed else "Failed"
    return [
        f'<p class="verdict {_class(verdict.passed)}">{word}</p>',
        listed(verdict.reasons),
        *(part for title, parts in told.items() for part in section(title, *parts, level=level)),
    ]


def _on_whom(verdict: Verdict) -> list[Row]:
    rows = facts(verdict.details.get("counts") or {})
    made_up = {None: "not said", True: "yes: no quality can be judged on it", False: "no"}[verdict.synthetic]
    return [*rows, ("data made up", made_up), *facts({"sealed set": verdict.sealed, "tries": verdict.tries})]


def _replaces(verdict: Verdict, now: Mapping[str, Any]) -> list[Row]:
    rows = facts({"digest": now.get("previous")})
    if verdict.incumbent:
        rows += facts(verdict.incumbent.figures)
        rows.append(("worse than it in", ", ".join(verdict.incumbent.worse) or "nothing"))
    return rows or [("nothing", "the alias stood for nothing before")]


def _how(verdict: Verdict) -> list[Row]:
    listing = verdict.details.get("environment") or {}
    isolation = verdict.isolation or "not said"
    rows: list[Row] = [
        ("kept from the originals by", isolation),
        ("environment", verdict.environment or "not said"),
    ]
    return [*rows, *facts(listing if isinstance(listing, Mapping) else {})]


def _worst(verdict: Verdict) -> str:
    rows = verdict.details.get("worst")
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        names = list(rows[0])
        return table([[short(row.get(name)) for name in names] for row in rows[:SHOWN]], names)
    return table(facts({k: v for k, v in verdict.measurements.items() if k.startswith("worst")}))


def _floors(criteria: Sequence[Criterion]) -> str:
    ordered = sorted(criteria, key=lambda c: (c.passed, c.kind, c.scope, c.name))
    rows = [
        (c.scope, c.kind, c.name, f"{c.op} {c.floor:g}", _measured(c), "met" if c.passed else "MISSED")
        for c in ordered[:SHOWN]
    ]
    more = f"<p>and {len(ordered) - SHOWN} more that are met or missed, all in verdict.json</p>"
    titles = ("of", "kind", "figure", "floor", "measured", "")
    return table(rows, titles) + (more if len(ordered) > SHOWN else "")


def _measured(criterion: Criterion) -> str:
    return "not measured" if criterion.measured is None else f"{criterion.measured:.6g}"


def _plots(criteria: Sequence[Criterion]) -> list[str]:
    """Returns a bar for each thing that was measured, and the floor as a line; one plot for each figure."""
    groups: dict[tuple[str, str], list[Criterion]] = {}
    for criterion in criteria:
        if criterion.measured is not None and criterion.kind != "integrity":
            groups.setdefault((criterion.kind, criterion.name), []).append(criterion)
    return [_plot(kind, name, found) for (kind, name), found in sorted(groups.items())]


def _plot(kind: str, name: str, found: Sequence[Criterion]) -> str:
    bad = found[0].op == "<="
    rows = sorted(found, key=lambda c: (c.measured or 0.0) * (-1 if bad else 1))[:SHOWN]
    most = max([abs(c.measured or 0.0) for c in rows] + [abs(c.floor) for c in rows]) or 1.0
    room = WIDTH - LABEL - 80
    drawn = []
    for number, c in enumerate(rows):
        y, long = number * (BAR + 6) + 26, room * max(0.0, c.measured or 0.0) / most
        at = LABEL + room * max(0.0, c.floor) / most
        drawn.append(
            f'<text x="0" y="{y + 12}">{html(c.scope[:32])}</text>'
            f'<rect x="{LABEL}" y="{y}" width="{long:.1f}" height="{BAR}" fill="{_colour(c.passed)}"/>'
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 3}" y2="{y + BAR + 3}" stroke="#000"/>'
            f'<text x="{LABEL + long + 6:.1f}" y="{y + 12}">{_measured(c)}</text>'
        )
    title = html(f"{kind} {name}, floor {found[0].op} {found[0].floor:g}")
    height = len(rows) * (BAR + 6) + 32
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" font-size="12" role="img" aria-label="{title}">'
        f'<text x="0" y="14" font-weight="600">{title}</text>{"".join(drawn)}</svg>'
    )


def _colour(passed: bool) -> str:
    return "#3b7a57" if passed else "#a31515"


def _class(passed: bool) -> str:
    return "pass" if passed else "fail"
