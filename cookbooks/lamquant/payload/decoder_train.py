"""Train a decoder for the files of a frozen codec, and in the same pass a teacher of its context network.

Writes ``refine.safetensors`` and ``refine.json``; of a teacher its checkpoint, in ``teacher/``.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import Device, choose_device, use_threads
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.presets import DECODER_PRESETS, LEVELS, PRESETS, DecoderPreset, judged_at
from cookbooks.lamquant.codec.training import LAMBDA, Trainer
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import Model, load_model
from cookbooks.lamquant.lqc.planes import PROFILES
from cookbooks.lamquant.refine.network import MAX_DEPTH, MAX_WIDTH
from cookbooks.lamquant.refine.refiner import LoadedRefiner
from cookbooks.lamquant.refine.training.fit import DecoderFit, fit_epochs, identity_of
from cookbooks.lamquant.refine.training.judge import mean_prdn, score_files
from cookbooks.lamquant.refine.training.picture import draw_gain
from cookbooks.lamquant.refine.training.save import save_net

TEACHER = "teacher"


@dataclass(frozen=True)
class DecoderSettings:
    """Holds what `DecoderCheckpointConfig` says. What is None comes from the preset."""

    preset: Literal["smoke", "fast", "medium", "production"] = "fast"
    seed: Annotated[int, Bounds(0, 2**31 - 1)] = 0
    decoder_width: Annotated[int, Bounds(8, MAX_WIDTH)] | None = None
    decoder_depth: Annotated[int, Bounds(1, MAX_DEPTH)] | None = None
    decoder_epochs: Annotated[int, Bounds(1, 100_000)] | None = None
    teacher: bool = True
    teacher_hidden: Annotated[int, Bounds(8, 64)] = 64
    resume: Literal["auto", "never"] = "auto"
    device: Device = "auto"
    threads: Annotated[int, Bounds(1, 256)] = 1

    def sizes(self) -> DecoderPreset:
        """Returns the preset with what is given put over it."""
        given = {"width": self.decoder_width, "depth": self.decoder_depth, "epochs": self.decoder_epochs}
        return replace(DECODER_PRESETS[self.preset], **{n: v for n, v in given.items() if v is not None})


@dataclass(frozen=True)
class DecoderInputs:
    """Names the inputs."""

    windows: Path
    checkpoint: Path


def fit_of(settings: DecoderSettings, inputs: DecoderInputs, device: torch.device) -> DecoderFit:
    """Returns the training that the settings ask for, at its beginning."""
    corpus, sizes = load_corpus(inputs.windows), settings.sizes()
    with explained(LqcError):
        model = load_model(inputs.checkpoint)
    teacher = None
    if settings.teacher:
        preset = replace(PRESETS[settings.preset], hidden=settings.teacher_hidden, epochs=sizes.epochs)
        preset = replace(preset, shards=sizes.shards)
        teacher = Trainer(corpus, preset, judged_at("all"), settings.seed, device)
    return DecoderFit(model, corpus, sizes, settings.seed, device, teacher)


def export(session: PayloadSession, settings: DecoderSettings, fit: DecoderFit) -> dict[str, Any]:
    """Write the decoder and the teacher, load the decoder, and measure it on files; returns the facts."""
    model, net = fit.model, fit.best_net()
    refiner = LoadedRefiner(model.digest, net)
    scores, shown = score_files(model, refiner, fit.corpus, fit.preset.val_seconds)
    measured = {profile: mean_prdn(scores, profile) for profile in PROFILES}
    encoder = str(model.description["weights_sha256"])
    facts = {
        "preset": fit.preset.name,
        "seed": fit.seed,
        "epochs": fit.preset.epochs,
        "best_epoch": fit.best_epoch,
        "width": fit.preset.width,
        "depth": fit.preset.depth,
        "parameters": fit.learner.net.n_parameters(),
        "windows_sha256": fit.corpus.digest,
        "validation": fit.corpus.val_source,
        "validation_prdn": measured,
    }
    save_net(session.out, net, model, facts)
    metrics = {"schema": "blut.training_metrics.v1", "epochs": fit.history, "final": measured}
    write_atomic(
        session.out / "metrics.json", (json.dumps(metrics, sort_keys=True, indent=1) + "\n").encode()
    )
    picture = session.out / "gain.png"
    write_atomic(picture, draw_gain(scores, shown))
    session.artifact("gain", picture, "image/png")
    full = measured["full"]
    return {
        "preset": fit.preset.name,
        "for_encoder": encoder,
        "epochs": fit.epoch,
        "parameters": fit.learner.net.n_parameters(),
        "val_prdn": full["refined"],
        "val_prdn_shipped": full["shipped"],
        "val_prdn_device": measured["device"]["refined"],
        "val_prdn_device_shipped": measured["device"]["shipped"],
        **_teacher(session.out / TEACHER, model, fit),
    }


def _teacher(directory: Path, model: Model, fit: DecoderFit) -> dict[str, Any]:
    """Write what learned beside the decoder as a codec of its own; returns its facts, None without one."""
    if fit.teacher is None:
        return {"teacher_parameters": None, "teacher_bits_per_sample": None}
    directory.mkdir(exist_ok=True)
    trainer = fit.teacher
    facts: dict[str, Any] = {
        **{name: model.description[name] for name in ("tier", "noise_ratio") if name in model.description},
        **{"preset": trainer.preset.name, "seed": trainer.seed, "parameters": trainer.net.n_parameters()},
        "windows_sha256": fit.corpus.digest,
        "validation": fit.corpus.val_source,
    }
    save_checkpoint(directory, trainer.best_model(), LAMBDA, LEVELS, facts)
    best = next(one for one in trainer.history if one["epoch"] == trainer.best_epoch)
    return {
        "teacher_parameters": trainer.net.n_parameters(),
        "teacher_bits_per_sample": best["bits_per_sample"],
    }


def main() -> None:
    """Run the payload."""
    with payload_session() as session, Ending().heard() as ending:
        settings, inputs = read_config(session, DecoderSettings), read_inputs(session, DecoderInputs)
        use_threads(settings.threads)
        seed_everything(settings.seed, exactly=True)
        device = torch.device(choose_device(settings.device))
        fit = fit_of(settings, inputs, device)
        kept = {name: value for name, value in session.config.items() if name != "resume"}
        parts = [kept, asdict(fit.preset), fit.corpus.digest, fit.model.digest.hex(), device.type]
        identity = identity_of(parts)
        began = time.perf_counter()
        fit_epochs(session, fit, ending, identity if settings.resume == "auto" else "", session.work)
        saved = _saved(fit, time.perf_counter() - began)
        session.done(**export(session, settings, fit), shared_pass_saved_pct=saved)


def _saved(fit: DecoderFit, seconds: float) -> float | None:
    """Returns what one pass for both saved, in percent of two, and says it; None without a teacher."""
    if fit.teacher is None:
        return None
    spent = fit.passed.spent
    learned = max(0.0, seconds - spent.coding - spent.decoder)
    saved = spent.saved_pct(learned)
    say(
        f"one pass for both: coding {spent.coding:.1f} s, decoder {spent.decoder:.1f} s, teacher"
        f" {learned:.1f} s; two passes would code for {spent.coding_for_teacher:.1f} s more: {saved:.1f} %"
        " saved"
    )
    return saved


if __name__ == "__main__":
    main()
