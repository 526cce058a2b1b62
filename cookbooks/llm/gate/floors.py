"""Reads the floors of a GGUF: what a registration asks, and the file that pins them for a governed alias."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blut_assets.floors import MAX_BYTES
from blut_resources.files.documents import read_yaml
from blut_resources.registry.verdicts import Floor, Op
from cookbooks.llm.llama.fidelity import ROUNDING

SCHEMA = "blut.llm_floors.v1"
EXAMPLE = Path(__file__).parents[1] / "configs" / "floors.yaml"
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Floors(BaseModel):
    """Says what a GGUF must have shown; see the recipe args of the same names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_kl: Annotated[Number, Field(gt=0, le=20)]
    min_top1: Annotated[Number, Field(gt=0, le=1)]
    max_perplexity_ratio: Annotated[Number, Field(gt=0, le=1000)]
    max_loss_increase: Annotated[Number, Field(ge=-20, le=20)]
    min_eval_rows: Annotated[int, Field(strict=True, ge=1)]

    def required(self) -> list[Floor]:
        """Returns everything that a verdict must have judged, in a fixed order."""
        return [
            _floor("fidelity", "tokenizer_equal", "==", 1),
            _floor("fidelity", "kl", "<=", self.max_kl),
            _floor("fidelity", "top1_agreement", ">=", self.min_top1),
            _floor("fidelity", "perplexity_ratio", "<=", self.max_perplexity_ratio),
            _floor("fidelity", "template_differs", "==", 0),
            _floor("fidelity", "runs_on", "==", 0),
            _floor("evaluation", "other_models", "==", 0),
            _floor("evaluation", "rows", ">=", self.min_eval_rows),
            _floor("evaluation", "loss_increase", "<=", self.max_loss_increase),
        ]


class FloorsFile(Floors):
    """Describes a file of floors:
    unknown keys, floors left out and floors that nothing could miss are refused.
    """

    format: Literal["blut.llm_floors.v1"] = Field(alias="schema")
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]


def pinned_floors(data: bytes, name: str, _model: str) -> list[Floor]:
    """Returns what a floors file asks of any GGUF.

    Args:
        data: the bytes of the YAML file.
        name: of the file, for errors.

    Raises:
        ValueError: it is no such file; naming the field.
    """
    try:
        return FloorsFile.model_validate(read_yaml(data, name, MAX_BYTES)).required()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']} (found {e['input']!r})"
            for e in error.errors()
        )
        raise ValueError(f"{name}: {problems}") from error


def possible(name: str, value: float) -> bool:
    """Says whether a figure can have this value: no KL below 0, no share above 1, no ratio of nothing."""
    if name == "kl":
        return value >= -ROUNDING
    if name == "top1_agreement":
        return 0 <= value <= 1
    return value > 0 if name == "perplexity_ratio" else value >= 0 or name == "loss_increase"


def _floor(kind: Literal["fidelity", "evaluation"], name: str, op: Op, floor: float) -> Floor:
    scope = "gguf" if kind == "fidelity" else "held_out"
    return Floor(kind=kind, name=name, scope=scope, op=op, floor=float(floor))
