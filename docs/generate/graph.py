"""The assets of recipes as a picture: SVG that takes its colours from the page around it, light or dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import dagster as dg

from blut_assets.recipes import Cookbook
from blut_assets.stages.spec import StageSpec, spec_of
from docs.generate.layout import Edge, layout

CHARACTER, BOX_HEIGHT = 7.4, 46.0
"""Width of a character of 12 px in a monospace font, and a margin; height of a box."""


@dataclass(frozen=True)
class Box:
    """An asset in the picture: its name, the kind of artifact it leaves, and how often it runs."""

    name: str
    kind: str
    runs: str

    @property
    def width(self) -> float:
        """Pixels, so that its words fit."""
        return max(len(self.name), len(self.kind)) * CHARACTER + 24


def pictures(cookbook: Cookbook) -> str:
    """Pictures that show every asset: one for each recipe, but for those that another's shows as well."""
    specs = {spec.key: spec for asset in cookbook.assets if (spec := spec_of(asset))}
    sets = {
        recipe.name: frozenset(key for asset in recipe.assets for key in asset.keys)
        for recipe in cookbook.recipes
    }
    drawn = [
        keys for keys in dict.fromkeys(sets.values()) if not any(keys < other for other in sets.values())
    ]
    captions = {keys: _caption(keys, sets) for keys in drawn}
    if rest := specs.keys() - frozenset().union(*drawn):
        captions[frozenset(rest)] = "Assets that no recipe runs."
    return "\n\n".join(
        _figure([spec for key, spec in specs.items() if key in keys], words)
        for keys, words in captions.items()
    )


def _caption(keys: frozenset[dg.AssetKey], sets: Mapping[str, frozenset[dg.AssetKey]]) -> str:
    whole = [name for name, those in sets.items() if those == keys]
    parts = [name for name, those in sets.items() if those < keys]
    some = f" {_links(parts)}: a part of them." if parts else ""
    return f"The assets of {_links(whole)}.{some}"


def _links(recipes: Sequence[str]) -> str:
    return " and ".join(f"[{name}](reference/recipes.md#{name})" for name in recipes)


def _figure(specs: Sequence[StageSpec], words: str) -> str:
    return f"```{{raw}} html\n{svg(*boxes_and_edges(specs))}\n```\n\n{words}"


def boxes_and_edges(specs: Sequence[StageSpec]) -> tuple[dict[str, Box], list[Edge]]:
    """What is to be drawn: a box for each asset, an edge for each input that is among them."""
    boxes = {
        spec.key.to_user_string(): Box(
            spec.key.path[-1],
            spec.output.kind,
            "once" if spec.memoised else "looks" if spec.source else "acts",
        )
        for spec in specs
    }
    edges = [
        (key.to_user_string(), spec.key.to_user_string()) for spec in specs for key in spec.inputs.values()
    ]
    return boxes, [edge for edge in dict.fromkeys(edges) if edge[0] in boxes]


def svg(boxes: Mapping[str, Box], edges: Sequence[Edge]) -> str:
    """One picture, at the size in which its words are read."""
    placed = layout({key: box.width for key, box in boxes.items()}, edges)
    told = "; ".join(f"{end} takes {start}" for start, end in edges)
    size = f'width="{placed.width:.0f}" height="{placed.height:.0f}"'
    parts = [
        f'<div class="graph"><svg role="img" {size} viewBox="0 0 {placed.width:.0f} {placed.height:.0f}">',
        f"<title>{escape(told)}</title>",
        *(_line(placed.ways[edge]) for edge in edges),
        *(_box(box, *placed.centres[key]) for key, box in boxes.items()),
        "</svg></div>",
    ]
    return "\n".join(parts)


def _line(way: Sequence[tuple[float, float]]) -> str:
    (x, y), *rest = way
    x0, y0 = x, y + BOX_HEIGHT / 2
    words = [f"M{x0:.1f} {y0:.1f}"]
    for number, (x1, middle) in enumerate(rest):
        is_last = number == len(rest) - 1
        top = middle - BOX_HEIGHT / 2 - (5 if is_last else 0)
        bend = (y0 + top) / 2
        words.append(f"C{x0:.1f} {bend:.1f} {x1:.1f} {bend:.1f} {x1:.1f} {top:.1f}")
        x0, y0 = x1, top if is_last else middle + BOX_HEIGHT / 2
        if not is_last:
            words.append(f"V{y0:.1f}")
    head = f"M{x0 - 4:.1f} {y0 - 3:.1f}L{x0:.1f} {y0 + 5:.1f}L{x0 + 4:.1f} {y0 - 3:.1f}Z"
    return f'<path class="edge" d="{" ".join(words)}"/><path class="head" d="{head}"/>'


def _box(box: Box, x: float, y: float) -> str:
    left, top = x - box.width / 2, y - BOX_HEIGHT / 2
    link = f"reference/artifacts.html#{box.kind.replace('.', '-').replace('_', '-')}"
    return (
        f'<a href="{link}"><rect class="{box.runs}" x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}"'
        f' height="{BOX_HEIGHT:.0f}" rx="6"/>'
        f'<text class="name" x="{x:.1f}" y="{y - 4:.1f}">{escape(box.name)}</text>'
        f'<text class="kind" x="{x:.1f}" y="{y + 14:.1f}">{escape(box.kind)}</text></a>'
    )
