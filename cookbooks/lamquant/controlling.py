"""Turns marks into labels, and trains what decides how much a stretch of a recording deserves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest
from cookbooks.lamquant.artifacts.labels import Annotations, SnnLabels
from cookbooks.lamquant.artifacts.training import MaeCkpt, SnnCkpt
from cookbooks.lamquant.configs.labelling import ActivityLabelsConfig
from cookbooks.lamquant.configs.training import MaeCheckpointConfig, SnnCheckpointConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.labels.store import FIT, SEALED, read_labels
from cookbooks.lamquant.subjects.sides import SPLITS

LABELS_BUILD = "cookbooks.lamquant.payload.labels_build"
MAE_TRAIN = "cookbooks.lamquant.payload.mae_train"
NOT_WANTED = "not_wanted.json"
SNN_TRAIN = "cookbooks.lamquant.payload.snn_train"


def _sides(out: Path) -> Mapping[str, Any]:
    """Returns what the UI shows: of each side, patients, seizures, and how much of it has labels."""
    fit, sealed = read_labels(out / FIT), read_labels(out / SEALED)
    every, seconds = [*fit.recordings.values(), *sealed.recordings.values()], fit.frame_ms / 1000
    rows = []
    for side in SPLITS:
        own = [one for one in every if one["split"] == side]
        row = {
            "side": side,
            "recordings": len(own),
            "patients": len({one["patient"] for one in own}),
            "patients_with_critical": len({one["patient"] for one in own if one["critical"]}),
            "critical_events": sum(one["critical_events"] for one in own),
        }
        times = {
            f"{name}_s": sum(one[name] for one in own) * seconds
            for name in ("critical", "interesting", "labelled")
        }
        rows.append(dg.TableRecord({**row, **times}))
    return {"sides": dg.MetadataValue.table(rows)}


@stage_asset(
    cookbook="lamquant",
    group="annotations",
    payloads=[LABELS_BUILD],
    show=_sides,
    headline=["n_patients_with_critical", "n_critical_events", "critical_s"],
    kinds={"numpy"},
    footprint=Footprint(cpus=1),
)
def activity_labels(
    stage: Stage,
    annotations: Annotations,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    config: ActivityLabelsConfig,
) -> Steps[SnnLabels]:
    """A label for each frame: a seizure, something of interest, neither, or not looked at.

    Refused where a side of the split has no patient with a seizure. A training gets the labels of train and
    validation patients alone.
    """
    facts = yield from stage.run(
        LABELS_BUILD,
        config=config.fingerprinted(),
        inputs={
            "corpus": stage.open(lma_corpus),
            "annotations": stage.open(annotations),
            "split": stage.open(split_manifest),
        },
    )
    if missing := facts["n_unlabelled"]:
        stage.context.log.warning(f"{missing} of {facts['n_recordings']} recordings have no labels")
    return SnnLabels(**facts)


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[MAE_TRAIN],
    headline=["trained", "val_masked_loss", "val_baseline_loss"],
    kinds={"pytorch", "safetensors"},
    footprint=Footprint(memory="2G"),
)
def mae_checkpoint(
    stage: Stage, lma_corpus: LmaCorpus, activity_labels: SnnLabels, config: MaeCheckpointConfig
) -> Steps[MaeCkpt]:
    """The controller's trunk, trained on recordings without their labels: for where few are labelled.

    Nothing is trained unless ``mae_pretrain`` asks for it. Refused where the trunk knows no more of hidden
    frames than a guess.
    """
    if not config.mae_pretrain:
        write_atomic(stage.out / NOT_WANTED, b'{"mae_pretrain": false}\n')
        return MaeCkpt(trained=False, preset=config.preset)
    facts = yield from stage.run(
        MAE_TRAIN,
        config=config.for_payload(),
        inputs={**corpus_inputs(stage, lma_corpus), "labels": stage.open(activity_labels) / FIT},
        gpus=0,
    )
    return MaeCkpt(trained=True, **facts)


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[SNN_TRAIN],
    headline=["model", "val_auc", "val_event_sensitivity", "val_fa_per_h"],
    kinds={"pytorch", "safetensors"},
    footprint=Footprint(memory="2G"),
)
def snn_checkpoint(
    stage: Stage,
    lma_corpus: LmaCorpus,
    activity_labels: SnnLabels,
    mae_checkpoint: MaeCkpt,
    config: SnnCheckpointConfig,
) -> Steps[SnnCkpt]:
    """The controller: causal, for any montage, in integers; and a logistic one that it has to be better than.

    It gets no label of a sealed patient. Resumes from the last finished epoch when a training with the same
    fingerprint was killed.
    """
    trunk = {"mae": stage.open(mae_checkpoint)} if mae_checkpoint.trained else {}
    facts = yield from stage.run(
        SNN_TRAIN,
        config=config.for_payload(),
        inputs={**corpus_inputs(stage, lma_corpus), "labels": stage.open(activity_labels) / FIT, **trunk},
        gpus=0,
    )
    return SnnCkpt(**facts)
