"""Train the joint codec: ``windows`` to ``model.safetensors`` and ``model.json``."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import Device, choose_device, use_threads
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.ranks import Ranks, joined, share_of
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession, payload_session, rank
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.codec.coder import RecordingCoder
from cookbooks.lamquant.codec.data import WindowCorpus, load_corpus
from cookbooks.lamquant.codec.epochs import resumed, run_epochs
from cookbooks.lamquant.codec.presets import CONTEXTS, LEVELS, PRESETS, Preset, judged_at, operating_point
from cookbooks.lamquant.codec.preview import ValScore, draw_preview, score_validation
from cookbooks.lamquant.codec.training import LAMBDA, Trainer
from cookbooks.lamquant.lqc.model import load_model

STATE_SCHEMA = 3
_RUN_ONLY = ("resume",)


@dataclass(frozen=True)
class JointSettings:
    """Holds what `JointCheckpointConfig` says. What is None comes from the preset."""

    preset: Literal["smoke", "fast", "medium", "production"] = "fast"
    tier: Literal[1, 2, 3, 4, "all"] = 3
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


def _identity(
    config: dict[str, Any], preset: Preset, corpus: WindowCorpus, device: torch.device, ranks: Ranks
) -> str:
    """Returns what two attempts must share for one to continue the other."""
    kept = {key: value for key, value in config.items() if key not in _RUN_ONLY}
    made = [STATE_SCHEMA, kept, asdict(preset), corpus.digest, device.type, torch.__version__, ranks.count]
    text = json.dumps(made, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def train(session: PayloadSession, settings: JointSettings, corpus: WindowCorpus, ending: Ending) -> Trainer:
    """Run the epochs that are left, keeping a resumable state after each."""
    device, preset = torch.device(choose_device(settings.device)), settings.sizes()
    with joined(device.type) as ranks:
        share_of("batch_size", preset.batch_size, ranks.count, CONTEXTS)
        trainer = Trainer(corpus, preset, judged_at(settings.tier), settings.seed, device, ranks=ranks)
        identity = _identity(session.config, preset, corpus, device, ranks)
        if settings.resume == "auto":
            resumed(trainer, session.work, identity)
        for net in (trainer.net, trainer.average):
            ranks.alike(net)
        run_epochs(session, trainer, preset.epochs, ending, identity, session.work)
    return trainer


def export(session: PayloadSession, settings: JointSettings, trainer: Trainer) -> ValScore:
    """Write the checkpoint, load it back, and measure what was written on the validation streams."""
    preset, corpus = trainer.preset, trainer.corpus
    entropy = trainer.best_model()
    noise_ratio = operating_point(settings.tier).noise_ratio
    facts: dict[str, Any] = {
        "preset": preset.name,
        "tier": settings.tier,
        "noise_ratio": noise_ratio,
        "epochs": preset.epochs,
        "best_epoch": trainer.best_epoch,
        "batch_size": preset.batch_size,
        "lr": preset.lr,
        "seed": trainer.seed,
        "parameters": trainer.net.n_parameters(),
        "training_rate_hz": corpus.rate_hz,
        "windows_sha256": corpus.digest,
        "validation": corpus.val_source,
    }
    save_checkpoint(session.out, entropy, LAMBDA, LEVELS, facts)
    coder = RecordingCoder(load_model(session.out), noise_ratio)
    score = score_validation(coder, corpus, preset.val_seconds)
    measured = {"prdn": score.prdn, "r": score.r, "coded_bits_per_sample": score.bits_per_sample}
    facts["validation_measured"] = measured
    save_checkpoint(session.out, entropy, LAMBDA, LEVELS, facts)
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
        if rank():
            return
        session.step(0, doing="measuring the best epoch on the validation recordings")
        score = export(session, settings, trainer)
        picture = session.out / "reconstruction.png"
        write_atomic(picture, draw_preview(score))
        session.artifact("reconstruction", picture, "image/png")
        session.done(
            preset=trainer.preset.name,
            tier=settings.tier,
            epochs=trainer.epoch,
            parameters=trainer.net.n_parameters(),
            final_loss=trainer.history[-1]["loss"],
            val_prdn=score.prdn,
            val_r=score.r,
            val_bits_per_sample=score.bits_per_sample,
        )


if __name__ == "__main__":
    main()
