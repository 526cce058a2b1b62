"""Writes an HTML file for people without Blut: it loads nothing, and every text of others is escaped."""

from collections.abc import Iterable, Mapping, Sequence

from blut_resources.text import html

SHOWN = 60
"""Items of a list, rows of a table and bars of a plot, at most: of these the worst."""
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem .2rem 0;
border-bottom:1px solid #eee;overflow-wrap:anywhere;min-width:3.6em;
vertical-align:top}th{overflow-wrap:normal}.pass{color:#176b2c}.fail{color:#a31515}
.verdict{font-size:1.2rem;font-weight:600}svg{max-width:100%}code{font-size:.85em}
"""
Row = Sequence[object]


def document(title: str, body: str, style: str = "", *, pictures: bool = False) -> str:
    """Returns a whole file; ``body`` and ``style`` are taken as they are.

    Args:
        pictures: it has some, each as a ``data:`` URI; else a browser shows none.
    """
    allowed = "default-src 'none'; style-src 'unsafe-inline'" + ("; img-src data:" if pictures else "")
    head = (
        '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{allowed}"><title>{html(title)}</title><style>{STYLE}{style}</style>'
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def section(title: str, *parts: str, level: int = 2) -> list[str]:
    """Returns a heading and what stands below it; ``not known`` where that is nothing."""
    heading = f"<h{level}>{html(title)}</h{level}>"
    return [heading, *parts] if any(parts) else [heading, "<p>not known</p>"]


def facts(values: Mapping[str, object], leave: Iterable[str] = ()) -> list[Row]:
    """Returns a row for each value that is not empty."""
    return [
        (name.replace("_", " "), short(value))
        for name, value in values.items()
        if name not in leave and value not in (None, "", [], {})
    ]


def short(value: object) -> str:
    """Returns a value in words; numbers as a person reads them."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {short(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(short, value))
    return "-" if value is None else str(value)


def listed(items: Sequence[object]) -> str:
    """Returns a list of the first of these; nothing where there are none."""
    return f"<ul>{''.join(f'<li>{html(item)}</li>' for item in items[:SHOWN])}</ul>" if items else ""


def table(rows: Iterable[Row], titles: Sequence[object] = ()) -> str:
    """Returns a table; nothing where it has no rows."""
    cells = "".join(f"<th>{html(title)}</th>" for title in titles)
    head = f"<thead><tr>{cells}</tr></thead>" if titles else ""
    body = "".join(f"<tr>{''.join(f'<td>{html(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}{body}</table>" if body else ""
