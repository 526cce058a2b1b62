"""Checks examples and preference pairs, and parts them into train and eval: the corpus."""

import json
import math

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Footprint, Stage, Steps, none_refused, stage_asset
from cookbooks.llm.artifacts import (
    DatasetJsonl,
    DatasetSplit,
    ExamplesFile,
    HfModel,
    PreferenceJsonl,
    PreferenceSplit,
)
from cookbooks.llm.configs.corpus import (
    DatasetConfig,
    PreferenceDatasetConfig,
    PreferenceSplitConfig,
    SftDatasetConfig,
    SftSplitConfig,
)
from cookbooks.llm.data.problems import Problem
from cookbooks.llm.pages.metadata import problem_table

DATASET_NORMALISE = "cookbooks.llm.payload.dataset_normalise"
DATASET_SPLIT = "cookbooks.llm.payload.dataset_split"
SHOWN = 50
"""Unusable rows that the UI names; more of them are in ``report.json``."""


@stage_asset(
    cookbook="llm",
    group="corpus",
    payloads=[DATASET_NORMALISE],
    headline=["n_examples", "n_dropped", "n_duplicates", "n_learned_tokens"],
    notices=[none_refused("examples_refused", "examples", "n_dropped", "report.json")],
    kinds={"json"},
    footprint=Footprint(cpus=1, disk=1),
)
def sft_dataset(
    stage: Stage, examples: ExamplesFile, base_model: HfModel, config: SftDatasetConfig
) -> Steps[DatasetJsonl]:
    """Examples in one documented form, checked with the tokenizer and chat template of the base model.

    Refused, or left out and listed, is what would spoil a training without a word. The metadata show what
    will be learned: samples with the learned tokens marked.
    """
    facts = yield from normalise(stage, "examples", examples, base_model, config)
    return DatasetJsonl(**facts)


@stage_asset(
    cookbook="llm",
    group="corpus",
    payloads=[DATASET_NORMALISE],
    headline=["n_pairs", "n_dropped", "n_duplicates"],
    notices=[none_refused("pairs_refused", "pairs", "n_dropped", "report.json")],
    kinds={"json"},
    footprint=Footprint(cpus=1, disk=1),
)
def preference_dataset(
    stage: Stage, preferences: ExamplesFile, base_model: HfModel, config: PreferenceDatasetConfig
) -> Steps[PreferenceJsonl]:
    """Preference pairs in one documented form, checked as examples are."""
    facts = yield from normalise(stage, "preferences", preferences, base_model, config)
    return PreferenceJsonl(n_pairs=facts.pop("n_examples"), **facts)


def normalise(stage: Stage, rows: str, source: ExamplesFile, reads: Artifact, config: DatasetConfig) -> Steps:  # type: ignore[type-arg]
    """Write the rows that ``reads``, a model or its tokenizer, can read; the facts of the dataset."""
    expected = {"n_files": source.n_files, "n_bytes": source.n_bytes}
    facts = yield from stage.run(
        DATASET_NORMALISE,
        config={**config.fingerprinted(), "rows": rows, "expected": expected},
        inputs={"source": stage.open(source), "base_model": stage.open(reads)},
    )
    report = json.loads((stage.out / "report.json").read_text())
    problems = [Problem(**one) for one in report["problems"]["listed"][:SHOWN]]
    for one in problems:
        stage.context.log.warning(f"left out {one}")
    if problems:
        stage.show(left_out=problem_table(problems))
    shown = {name: value for name, value in report.items() if name != "problems"}
    stage.show(
        what_will_be_learned=dg.MetadataValue.md((stage.out / "learned.md").read_text()),
        counts=dg.MetadataValue.json({**shown, "problems": report["problems"]["by_kind"]}),
    )
    return facts


@stage_asset(
    cookbook="llm",
    group="corpus",
    payloads=[DATASET_SPLIT],
    headline=["n_train", "n_eval", "n_groups"],
    kinds={"json"},
    footprint=Footprint(cpus=1),
)
def sft_split(stage: Stage, sft_dataset: DatasetJsonl, config: SftSplitConfig) -> Steps[DatasetSplit]:
    """What is trained on and what is held out; rows that say the same are never parted."""
    facts = yield from stage.run(
        DATASET_SPLIT, config=config.fingerprinted(), inputs={"dataset": stage.open(sft_dataset)}
    )
    _warn_of_few(stage, facts["n_train"] + facts["n_eval"], facts["n_eval"], config.min_eval_rows)
    return DatasetSplit(**facts)


@stage_asset(
    cookbook="llm",
    group="corpus",
    payloads=[DATASET_SPLIT],
    headline=["n_train", "n_eval", "n_groups"],
    kinds={"json"},
    footprint=Footprint(cpus=1),
)
def preference_split(
    stage: Stage, preference_dataset: PreferenceJsonl, config: PreferenceSplitConfig
) -> Steps[PreferenceSplit]:
    """The same of preference pairs; those that share a prompt or an answer are never parted."""
    facts = yield from stage.run(
        DATASET_SPLIT,
        config={**config.fingerprinted(), "same_prompt": True, "same_answer": True},
        inputs={"dataset": stage.open(preference_dataset)},
    )
    _warn_of_few(stage, facts["n_train"] + facts["n_eval"], facts["n_eval"], config.min_eval_rows)
    return PreferenceSplit(**facts)


def _warn_of_few(stage: Stage, n_rows: int, n_eval: int, wanted: int) -> None:
    """Say before the training what would be a refusal after it: too few rows to judge by."""
    if n_eval >= wanted:
        return
    ratio = math.ceil(100 * wanted / n_rows) / 100
    remedy = f"eval_ratio = {ratio:g} would do, or more examples" if ratio < 1 else "give more examples"
    stage.context.log.warning(
        f"{n_eval} of {n_rows} rows are held out, and the gate wants min_eval_rows = {wanted}: what is"
        f" trained now will be registered with passed=False; {remedy}"
    )
