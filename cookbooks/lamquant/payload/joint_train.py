"""Train the joint codec: ``windows`` to ``model.safetensors`` and ``model.json``."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import Device, choose_device, use_threads
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.codec.data import WindowCorpus, load_corpus
from cookbooks.lamquant.codec.presets import PRESETS, TIERS, Preset
from cookbooks.lamquant.codec.preview import ValScore, draw_preview, score_validation
from cookbooks.lamquant.codec.resume import load_state, save_state
from cookbooks.lamquant.codec.training import LAMBDA, Trainer
from cookbooks.lamquant.codec.v1.checkpoint import save_checkpoint

STATE_SCHEMA = 1
_RUN_ONLY = ("resume",)


@dataclass(frozen=True)
class JointSettings:
    """Holds what `JointCheckpointConfig` says. What is None comes from the preset."""

    preset: Literal["smoke", "fast", "medium", "production"] = "fast"
    tier: Annotated[int, Bounds(1, 4)] = 3
    seed: Annotated[int, Bounds(0, 2**31 - 1)] = 0
    epochs: Annotated[int, Bounds(1, 100_000)] | None = None
    batch_size: Annotated[int, Bounds(1, 4096)] | None = None
    lr: Annotated[float, Bounds(1e-7, 1.0)] | None = None
    resume: Literal["auto", "never"] = "auto"
    device: Device = "auto"
    threads: Annotated[int, Bounds(1, 256)] = 1

    def sizes(self) -> Preset:
        """Returns the preset with what is given put over it."""
        given = {name: getattr(self, name) for name in ("epochs", "batch_size", "lr")}
        return replace(PRESETS[self.preset], **{name: v for name, v in given.items() if v is not None})


@dataclass(frozen=True)
class JointInputs:
    """Names the input."""

    windows: Path


def _identity(config: dict[str, Any], corpus: WindowCorpus, device: torch.device) -> str:
    """Returns what two attempts must share for one to continue the other."""
    kept = {key: value for key, value in config.items() if key not in _RUN_ONLY}
    text = json.dumps([STATE_SCHEMA, kept, corpus.digest, device.type, torch.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def train(session: PayloadSession, settings: JointSettings, corpus: WindowCorpus, ending: Ending) -> Trainer:
    """Run the epochs that are left, keeping a resumable state after each."""
    device, preset = torch.device(choose_device(settings.device)), settings.sizes()
    trainer = Trainer(corpus, preset, TIERS[settings.tier], settings.seed, device)
    identity = _identity(session.config, corpus, device)
    found = load_state(session.work, identity, say) if settings.resume == "auto" else None
    if found is not None:
        trainer.restore(*found)
    while trainer.epoch < preset.epochs:
        metrics = trainer.run_epoch()
        session.epoch(trainer.epoch, step=trainer.epoch * trainer.batches, **metrics)
        tensors, facts = trainer.state()
        with ending.finishing():
            path = save_state(session.work, trainer.epoch, tensors, facts | {"identity": identity})
            session.checkpoint(trainer.epoch, path)
    return trainer


def export(session: PayloadSession, trainer: Trainer) -> ValScore:
    """Write the checkpoint, load it back, and measure what was written on the validation streams."""
    model, refinements = trainer.best_model()
    entropy = trainer.calibrated(model, 4, 2 * trainer.preset.calibration_crops)
    corpus, tier = trainer.corpus, trainer.tier
    facts: dict[str, Any] = {
        "preset": trainer.preset.name,
        "tier": tier.number,
        "noise_ratio": tier.noise_ratio,
        "epochs": trainer.preset.epochs,
        "best_epoch": trainer.best_epoch,
        "refinements": refinements,
        "batch_size": trainer.preset.batch_size,
        "lr": trainer.preset.lr,
        "seed": trainer.seed,
        "training_rate_hz": corpus.rate_hz,
        "windows_sha256": corpus.digest,
        "validation": corpus.val_source,
    }
    save_checkpoint(session.out, model, entropy, LAMBDA, facts)
    score = score_validation(load_checkpoint(session.out).coder, corpus, trainer.preset.val_seconds)
    measured = {"prdn": score.prdn, "r": score.r, "coded_bits_per_sample": score.bits_per_sample}
    save_checkpoint(session.out, model, entropy, LAMBDA, facts | {"validation_measured": measured})
    metrics = {"schema": "blut.training_metrics.v1", "epochs": trainer.history, "final": measured}
    write_atomic(
        session.out / "metrics.json", (json.dumps(metrics, sort_keys=True, indent=1) + "\n").encode()
    )
    return score


def main() -> None:
    """Run the payload."""
    with payload_session() as session, Ending().heard() as ending:
        settings, inputs = read_config(session, JointSettings), read_inputs(session, JointInputs)
        use_threads(settings.threads)
        seed_everything(settings.seed, exactly=True)
        trainer = train(session, settings, load_corpus(inputs.windows), ending)
        score = export(session, trainer)
        picture = session.out / "reconstruction.png"
        write_atomic(picture, draw_preview(score))
        session.artifact("reconstruction", picture, "image/png")
        session.done(
            preset=trainer.preset.name,
            tier=trainer.tier.number,
            epochs=trainer.epoch,
            parameters=trainer.model.n_parameters(),
            final_loss=trainer.history[-1]["loss"],
            val_prdn=score.prdn,
            val_r=score.r,
            val_bits_per_sample=score.bits_per_sample,
        )


if __name__ == "__main__":
    main()
