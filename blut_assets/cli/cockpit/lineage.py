"""Shows of an artifact what it was made of, up to the sources, and what was made of it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from blut_assets.cli.cockpit.drawing import BAD, HEAD, PLAIN, DrawnRow, cut, wrapped
from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.terminal.output import duration, moment, numbers, size

if TYPE_CHECKING:
    import dagster as dg

SHORT = 12
Nodes = Mapping[str, Mapping[str, Any]]
"""By digest what is known of an artifact."""


class LineageView:
    """Shows the lineage of the chosen artifact, or of the last one of the chosen run: as `blut lineage`."""

    key, title = "I", "lineage"
    nothing = "nothing is known of it"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut lineage DIGEST --down`.

        Raises:
            LookupError: there is no run, it has made nothing, or nothing is known of the artifact.
        """
        from blut_assets.cli.views.lineage import lineage_rows

        return lineage_rows(instance, wanted.asked or _last_of(instance, wanted.run))

    def head(self, width: int) -> str:
        """Returns nothing: a tree has no columns."""
        return ""

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each artifact, further to the right the further it is away."""
        found = list[DrawnRow]()
        for row in rows:
            found += _drawn(_up(row["digest"], "", 0, _by_digest(row["artifacts"]), set()), width, "up")
            below = _drawn(_down(row["digest"], 0, _by_digest(row["made_of_it"]), set()), width, "down")
            found += [DrawnRow("made of it", ("made of it:",), HEAD), *below] if below else []
        return found


def _last_of(instance: "dg.DagsterInstance", run: str) -> str:
    from blut_assets.cli.run.lookup import made_by
    from blut_assets.stages.reuse import digest_of

    run = run or next((one.run_id for one in instance.get_runs(limit=1)), "")
    if not run:
        raise LookupError("no run yet: `blut recipe list` says what can be run")
    digests = [digest for event in made_by(instance, run).values() if (digest := digest_of(event))]
    if not digests:
        raise LookupError(f"run {run[:8]} has made no artifact: choose another one among the jobs (J)")
    return digests[-1]


def _by_digest(nodes: list[dict[str, Any]]) -> Nodes:
    return {node["digest"]: node for node in nodes}


Branch = tuple[int, str, Mapping[str, Any], bool]
"""How far away an artifact is, as what it was used, what is known of it, and whether that stands above."""


def _up(digest: str, role: str, depth: int, nodes: Nodes, seen: set[str]) -> Iterator[Branch]:
    node = nodes.get(digest, {"digest": digest, "names": [], "bytes": None, "made": []})
    yield depth, role, node, digest in seen
    if digest not in seen:
        seen.add(digest)
        for way in node["made"]:
            for one in way["inputs"]:
                yield from _up(one["digest"], one["name"], depth + 1, nodes, seen)


def _down(digest: str, depth: int, nodes: Nodes, seen: set[str]) -> Iterator[Branch]:
    for node in nodes.values():
        roles = [one["name"] for way in node["made"] for one in way["inputs"] if one["digest"] == digest]
        if roles:
            yield depth, f"with it as {roles[0]}", node, node["digest"] in seen
            if node["digest"] not in seen:
                seen.add(node["digest"])
                yield from _down(node["digest"], depth + 1, nodes, seen)


def _drawn(branches: Iterator[Branch], width: int, way: str) -> list[DrawnRow]:
    found = list[DrawnRow]()
    for number, (depth, role, node, again) in enumerate(branches):
        indent = "  " * min(depth, 8)
        assets = ", ".join(dict.fromkeys(made["asset"] for made in node["made"]))
        about = "not in the store" if node["bytes"] is None else size(node["bytes"])
        words = [assets, node["digest"][:SHORT], f"({about})", *node["names"], "(above)" if again else ""]
        title = f"{indent}{f'{role}: ' if role else ''}{' '.join(filter(None, words))}"
        below = [] if again else [text for made in node["made"] for text in _how(made)]
        lines = [f"{indent}    {line}" for text in below for line in wrapped(text, width - len(indent) - 4)]
        run = node["made"][0]["run"] if node["made"] else ""
        tone = BAD if node["bytes"] is None and not again else PLAIN
        drawn = (cut(title, width), *(cut(line, width) for line in lines))
        found.append(DrawnRow(f"{way} {number}", drawn, tone, run, node["digest"]))
    return found


def _how(made: Mapping[str, Any]) -> list[str]:
    """Returns lines: by which run it was made, and with which settings."""
    from blut_assets.cli.run.ancestry import filled

    of = made["recipe"] or made["elsewhere"]
    took = "" if made["seconds"] is None else f", {duration(made['seconds'])}"
    first = f"run {made['run'][:8]}{f' of {of}' if of else ''}, {moment(made['at'])[:16]}{took}"
    return [text for text in (first, numbers(filled(made["config"]))) if text]
