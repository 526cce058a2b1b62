"""Train the trunk of a controller without labels: corpus and labels' split to ``trunk.safetensors``.

    python -m cookbooks.lamquant.payload.mae_train --config FILE

Inputs: ``corpus``, its ``source_<name>``, and ``labels`` of train and validation patients: who is on which
side is taken from them, and no label.
"""

import json
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from safetensors.torch import save

from blut_resources.payload_kit.config import Bounds, read_config
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.controller.presets import CONTROLLER_PRESETS, ControllerPreset
from cookbooks.lamquant.controller_training.examples import measure_all
from cookbooks.lamquant.controller_training.masked import SPAN_S, MaskedTrainer
from cookbooks.lamquant.controller_training.resume import identity_of, train
from cookbooks.lamquant.controller_training.trunk import SEEN, TRUNK, TRUNK_FACTS, TRUNK_SCHEMA
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.labels.store import read_labels
from cookbooks.lamquant.pictures.curves import draw_losses


@dataclass(frozen=True)
class TrunkSettings:
    """Holds what `MaeCheckpointConfig` says. What is None comes from the preset."""

    mae_pretrain: bool = True
    preset: Literal["smoke", "fast", "medium", "production"] = "fast"
    seed: Annotated[int, Bounds(0, 2**31 - 1)] = 0
    epochs: Annotated[int, Bounds(1, 100_000)] | None = None
    lr: Annotated[float, Bounds(1e-7, 1.0)] | None = None
    context_s: Annotated[float, Bounds(5, 600)] = 60.0
    resume: Literal["auto", "never"] = "auto"
    threads: Annotated[int, Bounds(1, 256)] = 1

    def sizes(self) -> ControllerPreset:
        """Returns the preset with what is given put over it."""
        chosen = CONTROLLER_PRESETS[self.preset]
        return replace(chosen, epochs=self.epochs or chosen.epochs, lr=self.lr or chosen.lr)


def main() -> None:
    """Run the payload."""
    with payload_session() as session, Ending().heard() as ending:
        settings = read_config(session, TrunkSettings)
        use_threads(settings.threads)
        seed_everything(settings.seed, exactly=True)
        corpus, labels = open_corpus(session.inputs), read_labels(session.inputs["labels"])
        examples = measure_all(corpus, labels, session.work, say)
        preset = settings.sizes()
        frames = round(settings.context_s * 1000 / labels.frame_ms)
        span = max(1, round(SPAN_S * 1000 / labels.frame_ms))
        trainer = MaskedTrainer(examples, preset, frames, span, settings.seed)
        train(session, trainer, identity_of(session.config, preset, examples), ending, settings.resume)
        _write(session, trainer, sorted(labels.recordings))


def _write(session: PayloadSession, trainer: MaskedTrainer, seen: list[str]) -> None:
    baseline, preset = trainer.baseline_loss(), trainer.preset
    if not trainer.best_loss < baseline:
        raise Refused(
            f"the trunk's error in hidden frames is {trainer.best_loss:.4f}, and that of a guess without"
            f" training {baseline:.4f}: it has learned nothing to start from; train longer, or without"
            " mae_pretrain"
        )
    facts = {
        "preset": preset.name,
        "epochs": trainer.epoch,
        "parameters": trainer.n_parameters(),
        "val_masked_loss": trainer.best_loss,
        "val_baseline_loss": baseline,
    }
    made = facts | {
        "schema": TRUNK_SCHEMA,
        "width": preset.width,
        "depth": preset.depth,
        "best_epoch": trainer.best_epoch,
        SEEN: seen,
        "inputs": {name: value.tolist() for name, value in trainer.arrays.items()},
    }
    write_atomic(session.out / TRUNK, save({n: t.contiguous() for n, t in trainer.trunk().items()}))
    write_atomic(session.out / TRUNK_FACTS, (json.dumps(made, sort_keys=True, indent=1) + "\n").encode())
    metrics = {"schema": "blut.training_metrics.v1", "epochs": trainer.history, "final": facts}
    text = json.dumps(metrics, sort_keys=True, indent=1) + "\n"
    write_atomic(session.out / "metrics.json", text.encode())
    picture = session.out / "hidden_frames.png"
    write_atomic(picture, draw_losses(trainer.history, baseline))
    session.artifact("hidden_frames", picture, "image/png")
    session.done(**facts)


if __name__ == "__main__":
    main()
