"""Trains: one checkpoint per asset, each in a process of its own."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_assets.stages.notices import HELD
from cookbooks.llm.artifacts import Checkpoint, DatasetSplit, GgufPreflight, HfModel, PreferenceSplit
from cookbooks.llm.configs.training import (
    DistilledCheckpointConfig,
    DpoCheckpointConfig,
    SftCheckpointConfig,
    TrainingConfig,
    learning_rate,
    refuse_senseless,
)
from cookbooks.llm.pages.metadata import sample_answers

SFT_TRAIN = "cookbooks.llm.payload.sft_train"
DPO_TRAIN = "cookbooks.llm.payload.dpo_train"
DISTILL_TRAIN = "cookbooks.llm.payload.distill_train"
FOOTPRINT = Footprint(gpus="any")
"""How much memory depends on the model: the payload estimates it and refuses what does not fit its limit."""

PLAIN = (bool, int, float, str)
HEADLINE = ["method", "steps", "eval_loss_before", "eval_loss"]


@stage_asset(
    cookbook="llm",
    group="training",
    payloads=[SFT_TRAIN],
    headline=HEADLINE,
    kinds={"pytorch", "safetensors"},
    footprint=FOOTPRINT,
    notices=[HELD],
)
def sft_checkpoint(
    stage: Stage,
    base_model: HfModel,
    gguf_preflight: GgufPreflight,
    sft_split: DatasetSplit,
    config: SftCheckpointConfig,
) -> Steps[Checkpoint]:
    """The base model, fine-tuned on the answers of the examples; prompts are read, not learned.

    Resumes from the last complete checkpoint when a training with the same fingerprint was killed.
    """
    inputs = {"base_model": base_model, "split": sft_split}
    return (yield from _train(stage, SFT_TRAIN, config, gguf_preflight, inputs))


@stage_asset(
    cookbook="llm",
    group="training",
    payloads=[DPO_TRAIN],
    headline=HEADLINE,
    kinds={"pytorch", "safetensors"},
    footprint=FOOTPRINT,
    notices=[HELD],
)
def dpo_checkpoint(
    stage: Stage,
    base_model: HfModel,
    gguf_preflight: GgufPreflight,
    preference_split: PreferenceSplit,
    config: DpoCheckpointConfig,
) -> Steps[Checkpoint]:
    """The base model, drawn to the chosen answers and away from the rejected ones.

    Losses are DPO's. The base is a whole model: to go on from a fine-tuned one, give its merged directory.
    """
    inputs = {"base_model": base_model, "split": preference_split}
    return (yield from _train(stage, DPO_TRAIN, config, gguf_preflight, inputs))


@stage_asset(
    cookbook="llm",
    group="training",
    payloads=[DISTILL_TRAIN],
    headline=HEADLINE,
    kinds={"pytorch", "safetensors"},
    footprint=FOOTPRINT,
    notices=[HELD],
)
def distilled_checkpoint(
    stage: Stage,
    base_model: HfModel,
    gguf_preflight: GgufPreflight,
    teacher_model: HfModel,
    sft_split: DatasetSplit,
    config: DistilledCheckpointConfig,
) -> Steps[Checkpoint]:
    """The base model as a student of the teacher: of its answers, or of its distributions."""
    inputs = {"base_model": base_model, "teacher_model": teacher_model, "split": sft_split}
    return (yield from _train(stage, DISTILL_TRAIN, config, gguf_preflight, inputs))


def _train(
    stage: Stage,
    module: str,
    config: TrainingConfig,
    preflight: GgufPreflight,
    inputs: Mapping[str, HfModel | DatasetSplit],
) -> Steps[Checkpoint]:
    """Run a training; what it says about this machine and this attempt is shown beside the artifact."""
    if preflight.model != inputs["base_model"].digest:
        raise dg.Failure(
            f"gguf_preflight looked at model {preflight.model[:20]}, the base model is"
            f" {inputs['base_model'].digest[:20]}: materialize gguf_preflight together with it",
            allow_retries=False,
        )
    try:
        refuse_senseless(config)
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    limit = stage.limits.resolve(stage.spec.footprint.limits).memory_max
    digests = {name: inputs[name].digest for name in inputs if name != "split"}
    more = {"lr": learning_rate(config), "digests": digests, "memory_limit_bytes": limit}
    facts = yield from stage.run(
        module,
        config={**config.for_payload(), **more},
        inputs={name: stage.open(artifact) for name, artifact in inputs.items()},
        gpus=config.leased,
        ranks=config.together,
    )
    return _checkpoint(stage, inputs["base_model"].digest, facts)


def _checkpoint(stage: Stage, base: str, facts: dict[str, Any]) -> Checkpoint:
    stage.show(**sample_answers(facts.pop("samples", ())))
    known = Checkpoint.model_fields.keys() & facts.keys()
    for name, value in facts.items():
        if name not in known and value is not None:
            stage.show(**{name: value if isinstance(value, PLAIN) else dg.MetadataValue.json(value)})
    epochs = json.loads((stage.out / "trainer.json").read_text())["epochs"]
    stage.show(epochs_trained=dg.MetadataValue.table([dg.TableRecord(_rounded(epoch)) for epoch in epochs]))
    return Checkpoint(base=base, **{name: facts[name] for name in known})


def _rounded(epoch: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in epoch.items()}
