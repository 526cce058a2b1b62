"""Promotes: a GGUF gets a version and, if it may, a name. Declared once for each way to train."""

import json
from collections.abc import Mapping

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, reuse, stage_asset
from blut_resources.registry.models import Authority, ModelRegistry, Registration
from blut_resources.registry.verdicts import VERDICT_FILE, PromotionRefused, Verdict
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.artifacts import (
    Checkpoint,
    DatasetSplit,
    EvalReport,
    GgufModel,
    HfModel,
    RegisteredModel,
)
from cookbooks.llm.configs.promotion import RegisteredConfig, names_of
from cookbooks.llm.gate.descent import rests_on_synthetic
from cookbooks.llm.gate.rules import floors_in_force, learned_from_a_model, read_evidence, verdict_of
from cookbooks.llm.llama.fidelity import FILE

HEADLINE = ("kl", "loss_base", "loss_quantised")
OF_THE_RUN = {"n", "at", "run", "headline"}


def registered(
    stage: Stage,
    base_model: HfModel,
    checkpoint: Checkpoint,
    merged: HfModel,
    gguf: GgufModel,
    split: DatasetSplit,
    evaluation: EvalReport,
    config: RegisteredConfig,
) -> RegisteredModel:
    """A version in the model registry, recorded on every run: the GGUF, its verdict, what it was made of.

    The same GGUF is the same version, with a further record. Without an alias nothing is promoted. A governed
    alias is refused unless this GGUF passed the floors of its comparison with the tuned model, its evaluation
    against the base model, and the alias's own floors. Governed are prod, those in BLUT_GOVERNED_ALIASES, and
    those whose floors are pinned.
    """
    made = {"base_model": base_model, "checkpoint": checkpoint, "merged": merged, "split": split}
    _refuse_other_inputs(stage, "gguf", gguf, made)
    judged = {"base_model": base_model, "merged": merged, "gguf": gguf, "split": split}
    _refuse_other_inputs(stage, "evaluation", evaluation, judged)
    inputs = {name: artifact.digest for name, artifact in {**made, "evaluation": evaluation}.items()}
    try:
        name, alias = names_of(config.name or gguf.name, config.alias)
        stage.store.verify(gguf.digest)
        evidence = read_evidence(
            stage.store.read(gguf.digest, FILE),
            stage.store.read(evaluation.digest, "report.json"),
            {"base": base_model.digest, "quantised": gguf.digest},
        )
        floors = floors_in_force(
            evidence, max_loss_increase=config.max_loss_increase, min_rows=config.min_eval_rows
        )
        registry = ModelRegistry(stage.store.root / "registry")
        synthetic = learned_from_a_model(stage.store.read(checkpoint.digest, "trainer.json"))
        synthetic = synthetic or rests_on_synthetic(registry, stage.store, base_model.digest)
        verdict = verdict_of(name, inputs, evidence, floors, config.change, synthetic=synthetic)
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    record = registry.register(
        name,
        candidate=gguf.digest,
        inputs=inputs,
        verdict=_stored(stage, verdict),
        passed=verdict.passed,
        floors=floors,
        figures=_figures(gguf, evaluation, verdict),
        license=gguf.license,
        run=stage.context.run.run_id,
        headline=HEADLINE,
    )
    promoted = bool(alias) and _promote(stage, registry, record, alias, config.authority)
    return _recorded(stage, record, verdict, config.alias if promoted else "")


def _refuse_other_inputs(stage: Stage, role: str, artifact: Artifact, inputs: Mapping[str, Artifact]) -> None:
    """Refuse inputs that do not belong together: a run of this asset alone takes the newest of everything."""
    wanted = {name: one.digest for name, one in inputs.items()}
    key = stage.spec.inputs[role]
    for record in reuse.materializations(stage.context.instance, key, first=1):
        event = record.asset_materialization
        if event is None:
            continue
        if reuse.digest_of(event) == artifact.digest and wanted.items() <= reuse.inputs_of(event).items():
            return
    raise dg.Failure(
        f"{key.to_user_string()} {artifact.digest[:20]} was not made of the newest"
        f" {', '.join(stage.spec.inputs[name].to_user_string() for name in wanted)}: run the recipe, or"
        " select them too, so that what is registered belongs together",
        allow_retries=False,
    )


def _stored(stage: Stage, verdict: Verdict) -> str:
    """Store the verdict on its own: a later promotion reads these bytes, and no others."""
    folder = stage.store.staging()
    write_atomic(folder / VERDICT_FILE, verdict.to_json())
    return stage.store.put(folder)


def _figures(gguf: GgufModel, evaluation: EvalReport, verdict: Verdict) -> dict[str, float | None]:
    return {
        "loss_base": evaluation.loss_base,
        "loss_tuned": evaluation.loss_tuned,
        "loss_quantised": evaluation.loss_quantised,
        "n_samples": float(evaluation.n_samples),
        "n_bytes": float(gguf.n_bytes),
        **verdict.measurements,
    }


def _promote(
    stage: Stage, registry: ModelRegistry, record: Registration, alias: str, authority: Authority
) -> bool:
    try:
        registry.promote_version(record.name, alias, record.version, stage.store, authority)
    except PromotionRefused as error:
        raise PromotionRefused(f"registered as {record.model}, but not promoted: {error}") from error
    return True


def _recorded(stage: Stage, record: Registration, verdict: Verdict, alias: str) -> RegisteredModel:
    content = record.model_dump(mode="json", exclude=OF_THE_RUN) | {"alias": alias}
    write_atomic(stage.out / "registration.json", json.dumps(content, indent=1, sort_keys=True).encode())
    if not verdict.passed:
        stage.show(summary=f"passed=False: {'; '.join(verdict.reasons)}")
    stage.show(
        model=record.model,
        verdict_report=dg.MetadataValue.json(json.loads(verdict.to_json())),
        reasons="; ".join(verdict.reasons) or "every floor met",
    )
    return RegisteredModel(
        name=record.name,
        version=record.version,
        alias=alias,
        gguf=record.candidate,
        merged=record.inputs["merged"],
        report=record.inputs["evaluation"],
        verdict=record.verdict,
        passed=record.passed,
        license=record.license,
    )


def registered_asset(prefix: str, split: str | None = None) -> dg.AssetsDefinition:
    """Declare ``<prefix>_registered``,
    of ``<prefix>_gguf`` with its evaluation and all that it was made of.
    """
    return stage_asset(
        cookbook="llm",
        group="promotion",
        name=f"{prefix}_registered",
        ins={
            "checkpoint": f"{prefix}_checkpoint",
            "merged": f"{prefix}_merged",
            "gguf": f"{prefix}_gguf",
            "split": split or f"{prefix}_split",
            "evaluation": f"{prefix}_evaluation",
        },
        side_effect=True,
        headline=["name", "version", "alias", "passed"],
        kinds={"json"},
    )(registered)
