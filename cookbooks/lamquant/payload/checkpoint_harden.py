"""Fit a trained codec to weights of few bits: ``checkpoint`` and ``windows`` to a checkpoint of its kind."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import Device, choose_device, use_threads
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.refuse import explained, refusal
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.codec.coder import DeviceCoder
from cookbooks.lamquant.codec.data import WindowCorpus, load_corpus
from cookbooks.lamquant.codec.epochs import resumed, run_epochs
from cookbooks.lamquant.codec.hardening import HardenTrainer
from cookbooks.lamquant.codec.presets import PRESETS, Preset, judged_at
from cookbooks.lamquant.codec.preview import ValScore, draw_preview, score_validation
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import Model, load_model

STATE_SCHEMA = 1
_RUN_ONLY = ("resume",)


@dataclass(frozen=True)
class HardenSettings:
    """Holds what `HardenedCheckpointConfig` says, and the digest of the checkpoint. None is the preset's."""

    source_digest: Annotated[str, Bounds(1)]
    preset: Literal["smoke", "fast", "medium", "production"] = "fast"
    weight_bits: Annotated[int, Bounds(4, 16)] = 8
    fine_tune_epochs: Annotated[int, Bounds(0, 100_000)] | None = None
    seed: Annotated[int, Bounds(0, 2**31 - 1)] = 0
    lr: Annotated[float, Bounds(1e-7, 1.0)] | None = None
    batch_size: Annotated[int, Bounds(1, 4096)] | None = None
    resume: Literal["auto", "never"] = "auto"
    device: Device = "auto"
    threads: Annotated[int, Bounds(1, 256)] = 1

    def sizes(self) -> Preset:
        """Returns the preset with what is given put over it, and the epochs of the fine-tuning."""
        preset, epochs = PRESETS[self.preset], self.fine_tune_epochs
        given = {name: getattr(self, name) for name in ("batch_size", "lr")}
        epochs = preset.epochs // 2 if epochs is None else epochs
        return replace(preset, epochs=epochs, **{name: v for name, v in given.items() if v is not None})


@dataclass(frozen=True)
class HardenInputs:
    """Names the inputs."""

    checkpoint: Path
    windows: Path


def harden(
    session: PayloadSession, settings: HardenSettings, source: Model, corpus: WindowCorpus, ending: Ending
) -> HardenTrainer:
    """Run the epochs that are left, keeping a resumable state after each."""
    device, tier = torch.device(choose_device(settings.device)), source.description.get("tier", 3)
    trainer = HardenTrainer(
        corpus,
        settings.sizes(),
        judged_at(tier),
        settings.seed,
        device,
        begin=source.entropy.net,
        bits=settings.weight_bits,
    )
    kept = {key: value for key, value in session.config.items() if key not in _RUN_ONLY}
    made = [STATE_SCHEMA, kept, asdict(trainer.preset), corpus.digest, device.type, torch.__version__]
    identity = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    goes_on = settings.resume == "auto" and resumed(trainer, session.work, identity)
    if not goes_on and trainer.preset.epochs:
        trainer.judge_start()
    run_epochs(session, trainer, trainer.preset.epochs, ending, identity, session.work)
    return trainer


def refuse_other_windows(source: Model, corpus: WindowCorpus) -> None:
    """Refuse windows that the checkpoint was not trained on: of the two, it would name the first alone.

    Raises:
        Refused: they are others.
    """
    said = source.description.get("windows_sha256", corpus.digest)
    if said != corpus.digest:
        raise refusal(
            "windows",
            corpus.digest[:12],
            f"be those of the checkpoint, {str(said)[:12]}",
            "train it on these",
        )


def export(
    session: PayloadSession, settings: HardenSettings, source: Model, trainer: HardenTrainer
) -> tuple[ValScore, ValScore]:
    """Write the checkpoint, load it back; returns what it does to validation, and what the source did."""
    noise_ratio = float(source.description["noise_ratio"])
    entropy, corpus, preset = trainer.best_model(), trainer.corpus, trainer.preset
    kept = ("tier", "noise_ratio", "training_rate_hz", "windows_sha256", "validation", "parameters")
    facts: dict[str, Any] = {
        **{name: source.description[name] for name in kept if name in source.description},
        "preset": preset.name,
        "epochs": preset.epochs,
        "best_epoch": trainer.best_epoch,
        "seed": trainer.seed,
        "hardened": {"source": settings.source_digest, "weight_bits": settings.weight_bits},
    }
    save_checkpoint(session.out, entropy, source.lam, source.levels, facts)
    made = DeviceCoder(load_model(session.out), noise_ratio)
    score = score_validation(made, corpus, preset.val_seconds)
    before = score_validation(DeviceCoder(source, noise_ratio), corpus, preset.val_seconds)
    measured = {"prdn": score.prdn, "r": score.r, "coded_bits_per_sample": score.bits_per_sample}
    source_measured = {"prdn": before.prdn, "coded_bits_per_sample": before.bits_per_sample}
    facts["validation_measured"] = measured
    save_checkpoint(session.out, entropy, source.lam, source.levels, facts)
    metrics = {
        "schema": "blut.training_metrics.v1",
        "epochs": trainer.history,
        "final": measured,
        "source": source_measured,
    }
    write_atomic(
        session.out / "metrics.json", (json.dumps(metrics, sort_keys=True, indent=1) + "\n").encode()
    )
    return score, before


def main() -> None:
    """Run the payload."""
    with payload_session() as session, Ending().heard() as ending:
        settings, inputs = read_config(session, HardenSettings), read_inputs(session, HardenInputs)
        use_threads(settings.threads)
        seed_everything(settings.seed, exactly=True)
        with explained(LqcError):
            source = load_model(inputs.checkpoint)
        corpus = load_corpus(inputs.windows)
        refuse_other_windows(source, corpus)
        trainer = harden(session, settings, source, corpus, ending)
        score, before = export(session, settings, source, trainer)
        picture = session.out / "reconstruction.png"
        write_atomic(picture, draw_preview(score))
        session.artifact("reconstruction", picture, "image/png")
        session.done(
            source=settings.source_digest,
            weight_bits=settings.weight_bits,
            epochs=trainer.epoch,
            parameters=trainer.net.n_parameters(),
            val_prdn=score.prdn,
            val_bits_per_sample=score.bits_per_sample,
            val_bits_vs_source_pct=100 * (score.bits_per_sample / before.bits_per_sample - 1),
        )


if __name__ == "__main__":
    main()
