"""Train a controller: corpus and labels of train and validation patients to ``controller.safetensors``.

    python -m cookbooks.lamquant.payload.snn_train --config FILE

Inputs: ``corpus``, its ``source_<name>``, ``labels``, and ``mae`` where the trunk was trained before.
The logistic controller is trained beside, and is in the same file.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np

from blut_resources.payload_kit.config import Bounds, read_config
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.controller.calibration import Calibrated, PointRequest, calibrate
from cookbooks.lamquant.controller.controller import Controller, save_controller
from cookbooks.lamquant.controller.deciders import decider
from cookbooks.lamquant.controller.pooling import pool
from cookbooks.lamquant.controller.presets import CONTROLLER_PRESETS, ControllerPreset
from cookbooks.lamquant.controller.scores import FrameScores
from cookbooks.lamquant.controller.states import Point
from cookbooks.lamquant.controller_training.examples import LabelledExample, measure_all
from cookbooks.lamquant.controller_training.resume import identity_of, train
from cookbooks.lamquant.controller_training.training import ControllerTrainer
from cookbooks.lamquant.controller_training.trunk import TRUNK, Trunk, read_trunk
from cookbooks.lamquant.formats.corpus import Corpus, open_corpus
from cookbooks.lamquant.labels.store import INDEX, Labels, read_labels
from cookbooks.lamquant.pictures.states import DrawnStates, draw_states


@dataclass(frozen=True)
class ControllerSettings:
    """Holds what `SnnCheckpointConfig` says. What is None comes from the preset."""

    preset: Literal["smoke", "fast", "medium", "production"] = "fast"
    model: Literal["logistic", "ssm", "lif"] = "ssm"
    seed: Annotated[int, Bounds(0, 2**31 - 1)] = 0
    epochs: Annotated[int, Bounds(1, 100_000)] | None = None
    batch_size: Annotated[int, Bounds(1, 4096)] | None = None
    lr: Annotated[float, Bounds(1e-7, 1.0)] | None = None
    context_s: Annotated[float, Bounds(5, 600)] = 60.0
    lambda_spike: Annotated[float, Bounds(0, 100)] = 0.01
    target_sensitivity: Annotated[float, Bounds(0.05, 1)] = 0.8
    min_event_s: Annotated[float, Bounds(0, 60)] = 2.0
    merge_s: Annotated[float, Bounds(0, 600)] = 3.0
    hold_s: Annotated[float, Bounds(0, 60)] = 5.0
    preroll_s: Annotated[float, Bounds(0, 60)] = 2.0
    failsafe_rms: Annotated[float, Bounds(2, 1000)] = 6.0
    levels: list[int] | None = None
    resume: Literal["auto", "never"] = "auto"
    threads: Annotated[int, Bounds(1, 256)] = 1

    def sizes(self) -> ControllerPreset:
        """Returns the preset with what is given put over it."""
        given = {name: getattr(self, name) for name in ("epochs", "batch_size", "lr")}
        chosen = {name: value for name, value in given.items() if value is not None}
        return replace(CONTROLLER_PRESETS[self.preset], **chosen)

    def wanted(self) -> PointRequest:
        """Returns what the operating points are chosen for.

        Raises:
            Refused: the levels are not four, ascending.
        """
        levels = tuple(self.levels or (10, 12, 16, 19))
        if len(levels) != 4 or sorted(levels) != list(levels):
            raise Refused(f"levels={list(levels)}: must be four, ascending, such as [10, 12, 16, 19]")
        times = {
            name: getattr(self, name)
            for name in ("hold_s", "preroll_s", "failsafe_rms", "min_event_s", "merge_s")
        }
        return PointRequest(
            Point(0, **times), self.target_sensitivity, (levels[0], levels[1], levels[2], levels[3])
        )


def calibrated(
    trainer: ControllerTrainer, arrays: dict[str, Any], wanted: PointRequest, frame_ms: int
) -> dict[str, Calibrated]:
    """Returns the points of each model that was trained, chosen on the validation recordings."""
    labels = [one.labels for one in trainer.val]
    seen = [pool(one.measured) for one in trainer.val]
    found = {}
    for kind in trainer.nets:
        raw = trainer.scores(kind, arrays)
        scores = [
            FrameScores(s.astype(np.int32), p.loud, p.excess, p.features)
            for s, p in zip(raw, seen, strict=True)
        ]
        found[kind] = calibrate(scores, labels, wanted, frame_ms)
    return found


def draw(session: PayloadSession, corpus: Corpus, trainer: ControllerTrainer, labels: Labels) -> None:
    """Draw the states of the validation recording with the most events, by what was written."""
    one = max(trainer.val, key=lambda example: (len(example.events), example.stem))
    recording, controller = corpus.open(one.stem), Controller.load(session.out)
    stream, states = controller.stream(recording.rate_hz, len(recording.channels)), controller.states()
    digital = recording.read(0, recording.n_samples)
    scores = stream.push(digital)
    decided = np.concatenate([states.push(scores), states.finish()])
    point = controller.points["rate"]
    channel = int(np.argmax((one.measured[..., 8].astype(float)).max(axis=0)))
    signal = digital[channel] * recording.scale[channel] + recording.offset[channel]
    picture = session.out / "states.png"
    shown = DrawnStates(
        one.stem, recording.channels[channel], signal, recording.rate_hz, one.labels, decided, scores,
        (point.critical, point.maybe), labels.frame_ms,
    )  # fmt: skip
    write_atomic(picture, draw_states(shown))
    session.artifact("states", picture, "image/png")


def main() -> None:
    """Run the payload."""
    with payload_session() as session, Ending().heard() as ending:
        settings = read_config(session, ControllerSettings)
        use_threads(settings.threads)
        seed_everything(settings.seed, exactly=True)
        corpus, labels = open_corpus(session.inputs), read_labels(session.inputs["labels"])
        wanted, preset = settings.wanted(), settings.sizes()
        examples = measure_all(corpus, labels, session.work, say)
        _refuse_unlearnable(examples)
        frames = round(settings.context_s * 1000 / labels.frame_ms)
        trunk, start = _trunk(session, settings, preset, labels)
        trainer = ControllerTrainer(
            examples, preset, settings.model, frames, settings.seed, settings.lambda_spike, *trunk
        )
        identity = identity_of(session.config, preset, examples, start)
        train(session, trainer, identity, ending, settings.resume)
        arrays = trainer.best_arrays()
        points = calibrated(trainer, arrays, wanted, labels.frame_ms)
        facts = _write(session, settings, trainer, arrays, points, labels.frame_ms)
        draw(session, corpus, trainer, labels)
        session.done(**facts)


def _trunk(
    session: PayloadSession, settings: ControllerSettings, preset: ControllerPreset, labels: Labels
) -> tuple[Trunk, str]:
    """Returns the trunk to start from, and its digest; both empty where none was trained."""
    if "mae" not in session.inputs:
        return Trunk({}, {}), ""
    if settings.model != "ssm":
        raise Refused(f"model={settings.model!r}: must be ssm to begin with a trunk; leave mae_pretrain out")
    directory = session.inputs["mae"]
    found = read_trunk(directory, preset, labels.recordings.keys())
    return found, hashlib.sha256((directory / TRUNK).read_bytes()).hexdigest()


def _refuse_unlearnable(examples: list[LabelledExample]) -> None:
    for split, purpose in (("train", "learned from"), ("val", "chosen by")):
        own = [one for one in examples if one.split == split]
        if not any(one.events for one in own):
            raise Refused(
                f"labels: no {split} recording has a critical event, so nothing can be {purpose}: add"
                ' annotated recordings, or say "stratify": "critical"'
            )


def _write(
    session: PayloadSession,
    settings: ControllerSettings,
    trainer: ControllerTrainer,
    arrays: dict[str, Any],
    points: dict[str, Calibrated],
    frame_ms: int,
) -> dict[str, Any]:
    own, preset = points[settings.model], trainer.preset
    made = {
        "model": settings.model,
        "preset": preset.name,
        "seed": settings.seed,
        "epochs": preset.epochs,
        "best_epoch": trainer.nets[settings.model].best_epoch,
        "parameters": trainer.n_parameters(),
        "frame_ms": frame_ms,
        "labels_sha256": hashlib.sha256((session.inputs["labels"] / INDEX).read_bytes()).hexdigest(),
        "levels": list(settings.wanted().levels),
        "train_recordings": len(trainer.train),
        "val_recordings": len(trainer.val),
        "models": {kind: one.described() for kind, one in points.items()},
    }
    save_controller(session.out, arrays, made)
    decides = decider(settings.model, arrays)
    facts = {
        "model": settings.model,
        "preset": preset.name,
        "epochs": trainer.epoch,
        "parameters": trainer.n_parameters(),
        "int8_bytes": sum(
            v.nbytes for name, v in arrays.items() if name.startswith((settings.model, "input"))
        ),
        "macs_per_frame": decides.macs(),
        "final_loss": trainer.history[-1]["loss"],
        "val_auc": own.auc,
        "val_auc_logistic": points["logistic"].auc,
        "val_event_sensitivity": own.events.sensitivity,
        "val_fa_per_h": own.events.fa_per_h,
        "val_estimated_rate_advantage": own.rate_advantage,
        "spike_rate": trainer.history[-1].get("spike_rate"),
    }
    metrics = {"schema": "blut.training_metrics.v1", "epochs": trainer.history, "final": facts}
    write_atomic(
        session.out / "metrics.json", (json.dumps(metrics, sort_keys=True, indent=1) + "\n").encode()
    )
    return facts


if __name__ == "__main__":
    main()
