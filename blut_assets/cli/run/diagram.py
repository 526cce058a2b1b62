"""Draws the graph of a recipe: as text for a terminal, and in the languages of Mermaid and Graphviz."""

import shutil
import subprocess

from blut_assets.history.graph import Graph, Node
from blut_assets.terminal.output import duration
from blut_resources.machine.memory import size_text


class DiagramError(Exception):
    """Says why there is no picture, and what to do instead."""


def as_text(graph: Graph) -> str:
    """Returns a paragraph for each asset, in the order in which they run."""
    paragraphs = [_paragraph(node) for node in graph.nodes]
    return "\n\n".join([*paragraphs, f"every asset takes: {', '.join(graph.common)}"])


def _paragraph(node: Node) -> str:
    facts = {
        "takes": ", ".join(f"{kind} from {asset}" for asset, kind in node.takes.items()),
        "args": ", ".join(node.args),
        "holds": node.holds,
        "last": _last(node),
    }
    lines = [f"  {name:6}{value}" for name, value in facts.items() if value]
    return "\n".join([f"{node.asset} -> {node.makes}", *lines])


def _last(node: Node) -> str:
    if not node.last_run:
        return "never computed here"
    peak = f", {size_text(node.last_peak)} of memory at most" if node.last_peak else ""
    return f"{duration(node.last_seconds)}{peak}, run {node.last_run[:8]}"


def as_mermaid(graph: Graph) -> str:
    """Returns a flowchart in the language of Mermaid, which GitHub and many wikis draw."""
    number = {node.asset: index for index, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    for node in graph.nodes:
        label = "<br/>".join(_label(node))
        lines.append(f'  a{number[node.asset]}["{label}"]')
    for node in graph.nodes:
        for asset, kind in node.takes.items():
            if asset in number:
                lines.append(f'  a{number[asset]} -->|"{kind}"| a{number[node.asset]}')
    return "\n".join(lines)


def as_dot(graph: Graph) -> str:
    """Returns a directed graph in the language of Graphviz."""
    lines = [f'digraph "{graph.recipe}" {{', "  node [shape=box, style=rounded]"]
    for node in graph.nodes:
        label = "\\n".join(_label(node))
        lines.append(f'  "{node.asset}" [label="{label}"]')
    for node in graph.nodes:
        for asset, kind in node.takes.items():
            lines.append(f'  "{asset}" -> "{node.asset}" [label="{kind}"]')
    return "\n".join([*lines, "}"])


def _label(node: Node) -> list[str]:
    return [node.asset, node.makes, *filter(None, [node.holds, _last(node) if node.last_run else ""])]


def as_svg(graph: Graph) -> str:
    """Returns a picture, placed by Graphviz.

    Raises:
        DiagramError: Graphviz is not installed, or failed.
    """
    program = shutil.which("dot")
    if program is None:
        raise DiagramError(
            "--format svg: the program dot of Graphviz is not installed: install the package graphviz,"
            " or take --format mermaid, dot or text"
        )
    done = subprocess.run([program, "-Tsvg"], input=as_dot(graph), capture_output=True, text=True)
    if done.returncode:
        raise DiagramError(f"--format svg: {program} failed: {done.stderr.strip()}; take another format")
    return done.stdout
