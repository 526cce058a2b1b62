"""Train the joint codec: ``windows`` to ``model.safetensors`` and ``model.json``.

Configuration: ``preset``, ``tier``, ``seed``, ``epochs``, ``batch_size``, ``lr`` (``None``: the preset's),
``resume`` ("auto" or "never"), ``device`` ("auto", "cpu" or "cuda"), ``threads``.
"""

import hashlib
import json
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

import torch

from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import (
    load_checkpoint,
    load_state,
    save_checkpoint,
    save_state,
)
from cookbooks.lamquant.codec.data import Corpus, WindowsError, load_corpus
from cookbooks.lamquant.codec.presets import Preset, Tier, checked, resolve_preset, resolve_tier
from cookbooks.lamquant.codec.preview import ValScore, draw_preview, score_validation
from cookbooks.lamquant.codec.training import LAMBDA, Trainer

STATE_SCHEMA = 1
_RUN_ONLY = ("resume",)


def _choice(config: dict[str, Any], field: str, allowed: tuple[str, ...]) -> str:
    value = config.get(field, allowed[0])
    if value not in allowed:
        raise SystemExit(f"{field}={value!r}: must be one of {', '.join(allowed)}")
    return value


def _device(config: dict[str, Any]) -> torch.device:
    name = _choice(config, "device", ("auto", "cpu", "cuda"))
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise SystemExit("device='cuda': no CUDA device is available; use 'cpu' or 'auto'")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def _identity(config: dict[str, Any], corpus: Corpus, device: torch.device) -> str:
    """Returns what two attempts must share for one to continue the other."""
    kept = {key: value for key, value in config.items() if key not in _RUN_ONLY}
    text = json.dumps([STATE_SCHEMA, kept, corpus.digest, device.type, torch.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _stop(_number: int, _frame: types.FrameType | None) -> None:
    raise SystemExit("terminated; the next attempt resumes from the last finished epoch")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def train(session: PayloadSession, preset: Preset, tier: Tier, corpus: Corpus) -> Trainer:
    """Run the epochs that are left, keeping a resumable state after each."""
    config = session.config
    seed, device = checked("seed", config.get("seed", 0)), _device(config)
    trainer = Trainer(corpus, preset, tier, seed, device)
    identity = _identity(config, corpus, device)
    found = None
    if _choice(config, "resume", ("auto", "never")) == "auto":
        found = load_state(session.work, identity, _say)
    if found is not None:
        trainer.restore(*found)
    while trainer.epoch < preset.epochs:
        metrics = trainer.run_epoch()
        session.epoch(trainer.epoch, step=trainer.epoch * trainer.batches, **metrics)
        tensors, facts = trainer.state()
        path = save_state(session.work, trainer.epoch, tensors, facts | {"identity": identity})
        session.checkpoint(trainer.epoch, path)
    return trainer


def export(session: PayloadSession, trainer: Trainer, config: dict[str, Any]) -> ValScore:
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
    with payload_session() as session:
        signal.signal(signal.SIGTERM, _stop)
        config = session.config
        try:
            preset, tier = resolve_preset(config), resolve_tier(config)
            torch.set_num_threads(checked("threads", config.get("threads", 1)))
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
            torch.use_deterministic_algorithms(True)
            corpus = load_corpus(Path(session.inputs["windows"]))
            trainer = train(session, preset, tier, corpus)
            score = export(session, trainer, config)
        except (ValueError, WindowsError) as error:
            raise SystemExit(str(error)) from error
        picture = session.out / "reconstruction.png"
        write_atomic(picture, draw_preview(score))
        session.artifact("reconstruction", picture, "image/png")
        session.done(
            preset=preset.name,
            tier=tier.number,
            epochs=trainer.epoch,
            parameters=trainer.model.n_parameters(),
            final_loss=trainer.history[-1]["loss"],
            val_prdn=score.prdn,
            val_r=score.r,
            val_bits_per_sample=score.bits_per_sample,
        )


if __name__ == "__main__":
    main()
