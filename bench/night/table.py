"""The table of the night: a line a training, and below it what is wrong."""

from typing import Any

Table = dict[str, list[dict[str, Any]]]


def render(table: Table) -> str:
    """As aligned text."""
    heads = list(dict.fromkeys(cell["what"] for name, cells in table.items() if name for cell in cells))
    lines = [["training", *heads]]
    for name, cells in table.items():
        if name:
            shown = {cell["what"]: cell["shown"] + (" !" if cell["wrong"] else "") for cell in cells}
            lines.append([name, *(shown.get(head, "-") for head in heads)])
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    text = ["  ".join(word.ljust(w) for word, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    text += [f"{cell['what']}: {cell['shown']}" for cell in table.get("", ())]
    found = [(name, cell) for name, cells in table.items() for cell in cells if cell["wrong"]]
    text += [
        "",
        *(f"WRONG {name or 'after all'}: {c['what']} {c['shown']}: {c['wrong']}" for name, c in found),
    ]
    cells = sum(map(len, table.values()))
    return "\n".join([*text, f"{cells} cells, {len(found)} wrong"])
