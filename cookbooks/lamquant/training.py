"""Trains: one checkpoint per asset, each in a process of its own; or takes a codec that is there already."""

import json
import re
import shutil
from collections.abc import Mapping
from typing import Any

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_assets.stages.notices import HELD
from blut_resources.payload_kit.refuse import Refused
from blut_resources.registry.models import ModelRegistry, RegistryError
from blut_resources.registry.retirement import RetirementRefused, VersionRetired
from blut_resources.registry.verdicts import PromotionRefused
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.artifacts.corpus import TrainingWindows
from cookbooks.lamquant.artifacts.training import DecoderCkpt, JointCkpt, TeacherCkpt
from cookbooks.lamquant.configs.training import (
    DecoderCheckpointConfig,
    JointCheckpointConfig,
    TeacherCheckpointConfig,
)

JOINT_TRAIN = "cookbooks.lamquant.payload.joint_train"
TEACHER_TRAIN = "cookbooks.lamquant.payload.teacher_train"
DECODER_TRAIN = "cookbooks.lamquant.payload.decoder_train"
ENCODER = "encoder"
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_DESCRIPTION, _WEIGHTS, _METRICS = "model.json", "model.safetensors", "metrics.json"
_SCHEMA = "blut.joint_codec.v2"
_UNRESOLVED = (RegistryError, PromotionRefused, VersionRetired, RetirementRefused)
"""Why a name stands for nothing that may be used."""


def _named_codec(
    store: ArtifactStore, inputs: Mapping[str, str], config: JointCheckpointConfig
) -> dict[str, str]:
    """Returns the digest of what ``encoder`` names; nothing where a codec is to be trained.

    Raises:
        Refused: no such name, or a digest that is not in the store, or of several artifacts.
    """
    said = config.encoder
    if not said:
        return {}
    if "@" in said:
        try:
            return {ENCODER: ModelRegistry(store.root / "registry").resolve(said)}
        except _UNRESOLVED as error:
            raise Refused(f"encoder {said}: {error}") from error
    digests = [one.digest for one in store.list()] if _DIGEST.fullmatch(said) else []
    found = [digest for digest in digests if digest.startswith(said)]
    if len(found) != 1:
        raise Refused(
            f"encoder {said!r}: {len(found)} artifacts of the store begin so: give NAME@ALIAS of `blut model"
            " list`, or a digest of one"
        )
    return {ENCODER: found[0]}


def _take_codec(stage: Stage, digest: str) -> JointCkpt:
    """Returns a codec of the store as if it was trained here; a copy of its files has its digest.

    Of a firmware bundle it is the codec whose encoder that is.

    Raises:
        Refused: it is something else than a joint codec of this version.
    """
    place = stage.open(digest)
    alone = not (place / _METRICS).is_file()  # beside a firmware's sources, and no training's result
    try:
        for path in [place / _DESCRIPTION, place / _WEIGHTS] if alone else sorted(place.iterdir()):
            shutil.copyfile(path, stage.out / path.name)
        said = json.loads((place / _DESCRIPTION).read_bytes())
        if said["schema"] != _SCHEMA:
            raise ValueError(f"{_DESCRIPTION}: schema={said['schema']!r}")
        epochs = [] if alone else json.loads((place / _METRICS).read_bytes())["epochs"]
        return _facts(said, epochs[-1]["loss"] if epochs else None)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Refused(
            f"encoder {digest[:12]}: is not a joint codec of this version ({error!r}): name one of"
            " `blut model list`"
        ) from error


def _facts(said: Mapping[str, Any], loss: float | None) -> JointCkpt:
    measured = said["validation_measured"]
    return JointCkpt(
        **{name: said[name] for name in ("preset", "tier", "epochs", "parameters")},
        final_loss=loss,
        val_prdn=measured["prdn"],
        val_r=measured["r"],
        val_bits_per_sample=measured["coded_bits_per_sample"],
    )


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[JOINT_TRAIN],
    headline=["epochs", "parameters", "val_prdn"],
    kinds={"pytorch", "safetensors"},
    footprint=Footprint(memory="2G", gpus="any"),
    notices=[HELD],
    looks_up=_named_codec,
)
def joint_checkpoint(
    stage: Stage, training_windows: TrainingWindows, config: JointCheckpointConfig
) -> Steps[JointCkpt]:
    """The probability model of the joint codec, trained on the integers that its own quantiser chooses.

    Resumes from the last finished epoch when a training with the same fingerprint was killed. Where the
    config names a codec that is there already, it is that one.
    """
    if ENCODER in stage.looked_up:
        return _take_codec(stage, stage.looked_up[ENCODER])
    facts = yield from stage.run(
        JOINT_TRAIN,
        config=config.for_payload(),
        inputs={"windows": stage.open(training_windows)},
        gpus=config.leased,
        ranks=config.together,
    )
    return JointCkpt(**facts)


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[TEACHER_TRAIN],
    headline=["epochs", "parameters", "headroom_bits_pct"],
    kinds={"pytorch", "safetensors"},
    footprint=Footprint(memory="2G", gpus="any"),
    notices=[HELD],
)
def teacher_checkpoint(
    stage: Stage,
    training_windows: TrainingWindows,
    joint_checkpoint: JointCkpt,
    config: TeacherCheckpointConfig,
) -> Steps[TeacherCkpt]:
    """A codec without a device's limits: the same objective, a wider network, longer, with its own decoder.

    It says how much room there is above the joint codec, and takes no device's place. Resumes from the last
    finished epoch when a training with the same fingerprint was killed.
    """
    facts = yield from stage.run(
        TEACHER_TRAIN,
        config=config.for_payload(),
        inputs={"windows": stage.open(training_windows), "checkpoint": stage.open(joint_checkpoint)},
        gpus=0 if config.device == "cpu" else None,
    )
    return TeacherCkpt(**facts)


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[DECODER_TRAIN],
    headline=["epochs", "val_prdn_device", "val_prdn_device_shipped"],
    kinds={"pytorch", "safetensors"},
    footprint=Footprint(memory="2G", gpus="any"),
    notices=[HELD],
)
def decoder_checkpoint(
    stage: Stage,
    training_windows: TrainingWindows,
    joint_checkpoint: JointCkpt,
    config: DecoderCheckpointConfig,
) -> Steps[DecoderCkpt]:
    """A better decoder for the files of one codec; a teacher learns from the same encoding of each crop.

    It sees what a file holds and nothing else, so every file that exists can be decoded by it. Resumes from
    the last finished epoch when a training with the same fingerprint was killed.
    """
    facts = yield from stage.run(
        DECODER_TRAIN,
        config=config.for_payload(),
        inputs={"windows": stage.open(training_windows), "checkpoint": stage.open(joint_checkpoint)},
        gpus=0 if config.device == "cpu" else None,
    )
    return DecoderCkpt(**facts)
