"""Makes a whole model of a checkpoint, and of that a GGUF for llama.cpp, which is compared with it.

The same for every way to train: each function here is declared once for each prefix (sft, dpo, distilled).
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.retrying import gate_check
from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.instance.instance import store_of
from blut_resources.payloads.environment import FETCHING
from blut_resources.store.artifacts import ArtifactStore, write_atomic
from cookbooks.llm.artifacts import Checkpoint, DatasetSplit, GgufModel, GgufPreflight, HfModel
from cookbooks.llm.configs.gguf import GgufConfig, GgufPreflightConfig, MergedConfig
from cookbooks.llm.gate.clean import DISTRIBUTIONS, clean_start
from cookbooks.llm.llama.fidelity import FILE, read_fidelity
from cookbooks.llm.llama.own import VARIABLE, made_with
from cookbooks.llm.pages.metadata import sample_chat

GGUF_PREFLIGHT = "cookbooks.llm.payload.gguf_preflight"
WEIGHTS_MERGE = "cookbooks.llm.payload.weights_merge"
GGUF_CONVERT = "cookbooks.llm.payload.gguf_convert"
GGUF_VERIFY = "cookbooks.llm.payload.gguf_verify"
FLOORS = ("max_kl", "min_top1", "max_perplexity_ratio")


def looked_at_with(
    _store: ArtifactStore, _inputs: Mapping[str, str], config: GgufPreflightConfig
) -> Mapping[str, str]:
    """Returns what of a llama.cpp of the user's own a model is looked at with, where one is asked for."""
    return made_with() if config.check == "gguf" else {}


@stage_asset(
    cookbook="llm",
    group="sources",
    looks_up=looked_at_with,
    payloads=[GGUF_PREFLIGHT],
    headline=["architecture", "pre_tokenizer"],
    kinds={"gguf"},
    footprint=Footprint(cpus=1, network=1),
)
def gguf_preflight(stage: Stage, base_model: HfModel, config: GgufPreflightConfig) -> Steps[GgufPreflight]:
    """Whether a training of this model can end in a GGUF: found out before it, not after.

    The architecture must be convertible, the tokenizer cut text as llama.cpp does, the chat template be
    there. The metadata show what each quantisation would really be, for tensors whose width does not suit it.
    A recipe that ends in a checkpoint asks for no GGUF, and nothing is looked at.
    """
    facts: dict[str, Any] = {"architecture": base_model.architecture}
    if config.check == "gguf":
        facts = yield from stage.run(
            GGUF_PREFLIGHT,
            config={"chat": config.chat},
            inputs={"model": stage.open(base_model)},
            variables=FETCHING,
        )
        table = [dg.TableRecord(_flat(row)) for row in facts.pop("table")]
        stage.show(quantisations=dg.MetadataValue.table(table), gguf_architecture=facts["gguf_architecture"])
    else:
        stage.show(gguf="none is asked for, so llama.cpp was not asked about this model")
    permit = {"schema": "blut.gguf_preflight.v1", "model": base_model.digest}
    write_atomic(stage.out / "preflight.json", json.dumps(permit, sort_keys=True, indent=1).encode())
    return GgufPreflight(
        model=base_model.digest,
        checked=config.check == "gguf",
        architecture=facts["architecture"],
        pre_tokenizer=facts.get("pre_tokenizer"),
        chat_template=facts.get("chat_template"),
    )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Flatten rows: every row of a Dagster table has the same columns."""
    empty = {"mib": "", "bits_per_weight": "", "types": "", "fallbacks": "", "note": ""}
    return {**empty, **row}


def merged(stage: Stage, base_model: HfModel, checkpoint: Checkpoint, config: MergedConfig) -> Steps[HfModel]:
    """The tuned model, whole, as transformers reads it: in float32, with the base's own chat template."""
    _refuse_other_base(base_model, checkpoint)
    facts = yield from stage.run(
        WEIGHTS_MERGE,
        config={"name": config.name or f"{base_model.name}-{checkpoint.method}", "threads": config.threads},
        inputs={"base": stage.open(base_model), "checkpoint": stage.open(checkpoint)},
    )
    changed, total = facts.pop("changed_tensors"), facts.pop("tensors")
    stage.show(changed_tensors=changed, tensors=total)
    if not changed:
        stage.context.log.warning(f"{stage.name}: every weight is what it was: nothing was learned")
    return HfModel(**facts)


def _refuse_other_base(base_model: HfModel, checkpoint: Checkpoint) -> None:
    if checkpoint.base != base_model.digest:
        raise dg.Failure(
            f"the checkpoint was trained from model {checkpoint.base[:20]}, the base model is"
            f" {base_model.digest[:20]} ({base_model.name}): train again, or give its own",
            allow_retries=False,
        )


def gguf(
    stage: Stage,
    base_model: HfModel,
    checkpoint: Checkpoint,
    merged: HfModel,
    split: DatasetSplit,
    config: GgufConfig,
) -> Steps[GgufModel]:
    """A quantised file for llama.cpp, loaded there and compared with the tuned model on held-out rows."""
    tuned, halves = stage.open(merged), {"split": stage.open(split)}
    source = {"model": tuned}
    if config.form == "adapter":
        _refuse_other_base(base_model, checkpoint)
        source = {"model": stage.open(base_model), "checkpoint": stage.open(checkpoint)}
    how = {"threads": config.threads, "device": config.device}
    gpus = 0 if config.device == "cpu" else None
    with tempfile.TemporaryDirectory(dir=stage.work, prefix="made-") as made:
        facts = yield from stage.run(
            GGUF_CONVERT,
            config={
                **how,
                "quant": config.quant,
                "name": merged.name,
                "importance": config.importance,
                "calibration_tokens": config.calibration_tokens,
                "base": {"name": base_model.name, "digest": base_model.digest},
                "data": {"name": "training data", "digest": split.digest},
            },
            inputs={**source, **halves},
            out=Path(made),
            gpus=gpus if config.importance else 0,
            variables=FETCHING,
        )
        found = yield from stage.run(
            GGUF_VERIFY,
            config={
                **how,
                "n_tokens": config.n_tokens,
                "context": config.context,
                **{floor: getattr(config, floor) for floor in FLOORS},
            },
            inputs={"gguf": Path(made), "model": tuned, **halves},
            gpus=gpus,
            isolated=clean_start(FETCHING),
        )
    _refuse_changed(stage)
    stage.show(fidelity=dg.MetadataValue.json(found))
    measured = {name: found[name] for name in GgufModel.model_fields.keys() & found.keys()}
    return GgufModel(**facts, **measured, name=merged.name, form=config.form)


def _refuse_changed(stage: Stage) -> None:
    """Refuse what was made while its llama.cpp was built again: nobody could say with which it was made."""
    if dict(made_with()) != dict(stage.looked_up):
        raise dg.Failure(f"{stage.name}: the llama.cpp that ${VARIABLE} names changed meanwhile: run again")


def merged_asset(prefix: str) -> dg.AssetsDefinition:
    """Returns ``<prefix>_merged``, of ``base_model`` and ``<prefix>_checkpoint``."""
    return stage_asset(
        cookbook="llm",
        group="gguf",
        name=f"{prefix}_merged",
        ins={"checkpoint": f"{prefix}_checkpoint"},
        payloads=[WEIGHTS_MERGE],
        headline=["name", "n_params"],
        kinds={"huggingface"},
        footprint=Footprint(disk=1),
    )(merged)


def gguf_asset(prefix: str, split: str | None = None) -> dg.AssetsDefinition:
    """Returns ``<prefix>_gguf``, of ``<prefix>_merged``,
    compared on ``split`` (``<prefix>_split`` if not given).
    """
    return stage_asset(
        cookbook="llm",
        group="gguf",
        name=f"{prefix}_gguf",
        ins={
            "checkpoint": f"{prefix}_checkpoint",
            "merged": f"{prefix}_merged",
            "split": split or f"{prefix}_split",
        },
        looks_up=made_with,
        payloads=[GGUF_CONVERT, GGUF_VERIFY],
        headline=["quant", "n_bytes", "kl", "top1_agreement", "faithful"],
        kinds={"gguf"},
        footprint=Footprint(gpus="any", disk=1),
        show=sample_chat,
        distributions=DISTRIBUTIONS,
    )(gguf)


def fidelity_check(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    """Returns the blocking check of a ``<prefix>_gguf``: below a floor, nothing after it runs."""

    @gate_check(
        asset=asset,
        name="gguf_fidelity",
        description="The file predicts what the model predicts that it was made of.",
    )
    def gguf_fidelity(context: dg.AssetCheckExecutionContext, gguf: GgufModel) -> dg.AssetCheckResult:
        report, missed = read_fidelity(store_of(context.instance).read(gguf.digest, FILE))
        figures = ("n_rows", "n_tokens", "kl", "top1_agreement", "perplexity", "perplexity_reference")
        return dg.AssetCheckResult(
            passed=not missed,
            description="; ".join(missed) or "as faithful as was asked for",
            metadata={name: report[name] for name in figures},
        )

    return gguf_fidelity
