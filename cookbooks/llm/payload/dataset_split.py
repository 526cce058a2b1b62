"""Splits a dataset into ``train.jsonl``, ``eval.jsonl`` and ``split.json``, without leaks, in order."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.session import payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.data.keys import group_keys
from cookbooks.llm.data.problems import DataError
from cookbooks.llm.data.splitting import RowSplit, named_split, split_rows

DATASET = "dataset.jsonl"


@dataclass(frozen=True)
class DivisionSettings:
    """Holds what `SftSplitConfig` says."""

    eval_ratio: Annotated[float, Bounds(above=0, below=1)]
    seed: Annotated[int, Bounds(0)]
    same_prompt: bool
    same_answer: bool


@dataclass(frozen=True)
class DivisionInputs:
    """Names the input."""

    dataset: Path


def build(dataset: Path, settings: DivisionSettings, out: Path) -> dict[str, Any]:
    """Write both parts and return what ``split.json`` says, not yet written.

    Raises:
        DataError: there is no split without a leak.
    """
    keys, sides = [], []
    with (dataset / DATASET).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            keys.append(group_keys(row, same_prompt=settings.same_prompt, same_answer=settings.same_answer))
            sides.append(row.get("split"))
    if any(sides):
        split = named_split(keys, [side == "eval" for side in sides])
    else:
        split = split_rows(keys, settings.eval_ratio, settings.seed)
    _prove(keys, split)
    _write(dataset, split, out)
    n_rows = len(keys)
    return {
        "schema": "blut.dataset_split.v1",
        "asked": asdict(settings),
        "n_train": n_rows - split.n_eval,
        "n_eval": split.n_eval,
        "eval_ratio": round(split.n_eval / n_rows, 6),
        "n_groups": split.n_groups,
        "n_eval_groups": split.n_eval_groups,
        "largest_group": split.largest_group,
    }


def _prove(keys: Sequence[Sequence[str]], split: RowSplit) -> None:
    """Look at the two sides once more, without the groups: no key may be on both."""
    sides: dict[bool, set[str]] = {True: set(), False: set()}
    for row_keys, is_eval in zip(keys, split.is_eval, strict=True):
        sides[is_eval].update(row_keys)
    leaked = sides[True] & sides[False]
    if leaked or not all(sides.values()):
        raise DataError(f"the split is not sound: {len(leaked)} texts are on both sides; please report this")


def _write(dataset: Path, split: RowSplit, out: Path) -> None:
    with (
        (dataset / DATASET).open("rb") as rows,
        (out / "train.jsonl").open("wb") as train,
        (out / "eval.jsonl").open("wb") as held_out,
    ):
        for line, is_eval in zip(rows, split.is_eval, strict=True):
            (held_out if is_eval else train).write(line)


def main() -> None:
    """Split the dataset of one session."""
    with payload_session() as session:
        inputs, settings = read_inputs(session, DivisionInputs), read_config(session, DivisionSettings)
        facts = build(inputs.dataset, settings, session.out)
        text = json.dumps(facts, sort_keys=True, indent=1) + "\n"
        write_atomic(session.out / "split.json", text.encode())
        names = ("n_train", "n_eval", "n_groups", "n_eval_groups", "largest_group")
        session.done(**{name: facts[name] for name in names})


if __name__ == "__main__":
    main()
