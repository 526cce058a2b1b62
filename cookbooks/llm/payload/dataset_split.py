"""Splits a dataset into ``train.jsonl``, ``eval.jsonl`` and ``split.json``, without leaks.

Config: ``eval_ratio``, ``seed``, ``same_prompt``, ``same_answer``. Rows keep their order.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.session import payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.data.keys import group_keys
from cookbooks.llm.data.problems import DataError
from cookbooks.llm.data.splitting import Split, split_rows

DATASET = "dataset.jsonl"


def build(dataset: Path, config: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write both parts and return what ``split.json`` says, not yet written.

    Raises:
        DataError: there is no split without a leak.
    """
    keys = []
    with (dataset / DATASET).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            keys.append(group_keys(row, same_prompt=config["same_prompt"], same_answer=config["same_answer"]))
    split = split_rows(keys, config["eval_ratio"], config["seed"])
    _prove(keys, split)
    _write(dataset, split, out)
    n_rows = len(keys)
    return {
        "schema": "blut.dataset_split.v1",
        "asked": {name: config[name] for name in ("eval_ratio", "seed", "same_prompt", "same_answer")},
        "n_train": n_rows - split.n_eval,
        "n_eval": split.n_eval,
        "eval_ratio": round(split.n_eval / n_rows, 6),
        "n_groups": split.n_groups,
        "n_eval_groups": split.n_eval_groups,
        "largest_group": split.largest_group,
    }


def _prove(keys: Sequence[Sequence[str]], split: Split) -> None:
    """Look at the two sides once more, without the groups: no key may be on both."""
    sides: dict[bool, set[str]] = {True: set(), False: set()}
    for row_keys, is_eval in zip(keys, split.is_eval, strict=True):
        sides[is_eval].update(row_keys)
    leaked = sides[True] & sides[False]
    if leaked or not all(sides.values()):
        raise DataError(f"the split is not sound: {len(leaked)} texts are on both sides; please report this")


def _write(dataset: Path, split: Split, out: Path) -> None:
    with (
        (dataset / DATASET).open("rb") as rows,
        (out / "train.jsonl").open("wb") as train,
        (out / "eval.jsonl").open("wb") as held_out,
    ):
        for line, is_eval in zip(rows, split.is_eval, strict=True):
            (held_out if is_eval else train).write(line)


def main() -> None:
    """Split the dataset of one session.

    Raises:
        SystemExit: there is no split without a leak.
    """
    with payload_session() as session:
        try:
            facts = build(session.inputs["dataset"], session.config, session.out)
        except DataError as error:
            raise SystemExit(str(error)) from error
        text = json.dumps(facts, sort_keys=True, indent=1) + "\n"
        write_atomic(session.out / "split.json", text.encode())
        names = ("n_train", "n_eval", "n_groups", "n_eval_groups", "largest_group")
        session.done(**{name: facts[name] for name in names})


if __name__ == "__main__":
    main()
