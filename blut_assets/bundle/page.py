"""Shows a verdict to whoever opens no terminal: one HTML file with plots, that loads nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blut_resources.registry.verdicts import Criterion, Verdict
from blut_resources.text import html

SHOWN = 60
"""Rows of a table, and bars of a plot, at most: the worst of them."""
WIDTH, BAR, LABEL = 640, 16, 220
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem .2rem 0;
border-bottom:1px solid #eee;overflow-wrap:anywhere}.pass{color:#176b2c}.fail{color:#a31515}
.verdict{font-size:1.2rem;font-weight:600}svg{max-width:100%}code{font-size:.85em}
"""
Row = Sequence[object]


def page(
    model: str, verdict: Verdict, history: Sequence[Mapping[str, Any]], digests: Mapping[str, str]
) -> str:
    """Returns the page; every text in it that others wrote is escaped."""
    now = history[-1] if history else {}
    parts = [
        f"<h1>{html(model)}</h1>",
        f'<p class="verdict {_class(verdict.passed)}">{"Passed" if verdict.passed else "Failed"}</p>',
        _list(verdict.reasons),
        *_section("What changed", _table(_facts(verdict.change.model_dump(mode="json")))),
        *_section("On whose authority", _table(_facts(now, leave=("inputs", "n", "name")))),
        *_section("What was measured", _table(_facts(verdict.measurements))),
        *_section("On whom", _table(_on_whom(verdict))),
        *_section("What was the worst", _worst(verdict)),
        *_section("Against which floors", _floors(verdict.criteria), *_plots(verdict.criteria)),
        *_section("What it replaces", _table(_replaces(verdict, now))),
        *_section("How it was measured", _table(_how(verdict))),
        *_section("Digests", _table([*_facts(digests), *_facts(verdict.inputs)])),
    ]
    head = (
        '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{html(model)}: verdict</title><style>{STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _section(title: str, *parts: str) -> list[str]:
    return [f"<h2>{html(title)}</h2>", *parts] if any(parts) else [f"<h2>{html(title)}</h2><p>not known</p>"]


def _facts(values: Mapping[str, Any], leave: Iterable[str] = ()) -> list[Row]:
    return [
        (name.replace("_", " "), _short(value))
        for name, value in values.items()
        if name not in leave and value not in (None, "", [], {})
    ]


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(one)}" for name, one in value.items())
    return ", ".join(map(_short, value)) if isinstance(value, list | tuple) else str(value)


def _on_whom(verdict: Verdict) -> list[Row]:
    rows = _facts(verdict.details.get("counts") or {})
    made_up = {None: "not said", True: "yes: no quality can be judged on it", False: "no"}[verdict.synthetic]
    return [*rows, ("data made up", made_up), *_facts({"sealed set": verdict.sealed, "tries": verdict.tries})]


def _replaces(verdict: Verdict, now: Mapping[str, Any]) -> list[Row]:
    rows = _facts({"digest": now.get("previous")})
    if verdict.incumbent:
        rows += _facts(verdict.incumbent.figures)
        rows.append(("worse than it in", ", ".join(verdict.incumbent.worse) or "nothing"))
    return rows or [("nothing", "the alias stood for nothing before")]


def _how(verdict: Verdict) -> list[Row]:
    listing = verdict.details.get("environment") or {}
    isolation = verdict.isolation or "not said"
    rows: list[Row] = [
        ("kept from the originals by", isolation),
        ("environment", verdict.environment or "not said"),
    ]
    return [*rows, *_facts(listing if isinstance(listing, Mapping) else {})]


def _worst(verdict: Verdict) -> str:
    rows = verdict.details.get("worst")
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        names = list(rows[0])
        return _table([[_short(row.get(name)) for name in names] for row in rows[:SHOWN]], names)
    return _table(_facts({k: v for k, v in verdict.measurements.items() if k.startswith("worst")}))


def _floors(criteria: Sequence[Criterion]) -> str:
    ordered = sorted(criteria, key=lambda c: (c.passed, c.kind, c.scope, c.name))
    rows = [
        (c.scope, c.kind, c.name, f"{c.op} {c.floor:g}", _measured(c), "met" if c.passed else "MISSED")
        for c in ordered[:SHOWN]
    ]
    more = f"<p>and {len(ordered) - SHOWN} more that are met or missed, all in verdict.json</p>"
    titles = ("of", "kind", "figure", "floor", "measured", "")
    return _table(rows, titles) + (more if len(ordered) > SHOWN else "")


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


def _list(items: Sequence[object]) -> str:
    return f"<ul>{''.join(f'<li>{html(item)}</li>' for item in items[:SHOWN])}</ul>" if items else ""


def _table(rows: Iterable[Row], titles: Sequence[object] = ()) -> str:
    head = f"<tr>{''.join(f'<th>{html(title)}</th>' for title in titles)}</tr>" if titles else ""
    body = "".join(f"<tr>{''.join(f'<td>{html(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}{body}</table>" if body else ""
