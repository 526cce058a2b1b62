"""Lets a GGUF's verdict travel: digests and figures go;
the rows that it was judged on, and the file, stay.
"""

from collections.abc import Mapping
from pathlib import Path

from blut_resources.registry.verdicts import Verdict


def carried(verdict: Verdict) -> Mapping[str, str] | None:
    """Carry nothing but the verdict; rows are people's, and the file is large."""
    return {} if {"merged", "evaluation"} <= verdict.inputs.keys() else None


def problems(folder: Path, verdict: Verdict, digests: Mapping[str, str]) -> list[str]:
    """Returns what in what came along contradicts the verdict."""
    judged, sent = verdict.candidate, digests["candidate"]
    return [] if judged == sent else [f"the verdict is about {judged[:12]}, the alias stood for {sent[:12]}"]


def again(folder: Path, verdict: Verdict, corpus: Path) -> list[str]:
    """Says why it is not judged again."""
    return ["a GGUF is judged again by the recipe evaluate_model, on its rows; --corpus is for a codec"]
