"""Train an oracle: a codec without a device's limits, and a decoder for its files.

Writes a checkpoint of the joint codec, with as wide a context network as integers of 32 bits allow, and in
``decoder/`` what refines its files. ``checkpoint`` is the codec that it is measured beside.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import Device, choose_device, use_threads
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.refuse import Refused, explained
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.codec.coder import RecordingCoder
from cookbooks.lamquant.codec.data import WindowCorpus, load_corpus
from cookbooks.lamquant.codec.epochs import resumed, run_epochs
from cookbooks.lamquant.codec.presets import (
    DECODER_PRESETS,
    LEVELS,
    PRESETS,
    TEACHER_EPOCHS,
    DecoderPreset,
    Preset,
    judged_at,
)
from cookbooks.lamquant.codec.preview import draw_preview, score_validation
from cookbooks.lamquant.codec.training import LAMBDA, Trainer
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import Model, load_model
from cookbooks.lamquant.refine.network import MAX_WIDTH
from cookbooks.lamquant.refine.training.fit import DecoderFit, fit_epochs, identity_of
from cookbooks.lamquant.refine.training.save import save_net

DECODER = "decoder"


@dataclass(frozen=True)
class TeacherSettings:
    """Holds what `TeacherCheckpointConfig` says. What is None comes from the preset."""

    preset: Literal["smoke", "fast", "medium", "production"] = "fast"
    tier: Literal[1, 2, 3, 4, "all"] = 3
    seed: Annotated[int, Bounds(0, 2**31 - 1)] = 0
    teacher_hidden: Annotated[int, Bounds(8, 64)] = 64
    teacher_width: Annotated[int, Bounds(8, MAX_WIDTH)] | None = None
    teacher_epochs: Annotated[int, Bounds(1, 100_000)] | None = None
    resume: Literal["auto", "never"] = "auto"
    device: Device = "auto"
    threads: Annotated[int, Bounds(1, 256)] = 1

    def sizes(self) -> tuple[Preset, DecoderPreset]:
        """Returns the presets of codec and decoder, with what is given put over them."""
        codec, decoder = PRESETS[self.preset], DECODER_PRESETS[self.preset]
        epochs = self.teacher_epochs or TEACHER_EPOCHS * codec.epochs
        width = self.teacher_width or decoder.width
        return replace(codec, hidden=self.teacher_hidden, epochs=epochs), replace(decoder, width=width)


@dataclass(frozen=True)
class TeacherInputs:
    """Names the inputs."""

    windows: Path
    checkpoint: Path


@dataclass(frozen=True)
class Oracle:
    """Holds what a session trains, and from what."""

    session: PayloadSession
    settings: TeacherSettings
    corpus: WindowCorpus
    beside: Model
    device: torch.device

    @property
    def identity(self) -> str:
        """Returns what two attempts must share; empty where nothing is to be resumed."""
        if self.settings.resume == "never":
            return ""
        kept = {name: value for name, value in self.session.config.items() if name != "resume"}
        parts = [kept, *map(asdict, self.settings.sizes()), self.corpus.digest, self.device.type]
        return identity_of(parts)

    @property
    def noise_ratio(self) -> float:
        """Returns the error that both codecs may leave in a channel."""
        found = self.beside.description.get("noise_ratio")
        if not isinstance(found, float):
            raise Refused(f"checkpoint: noise_ratio={found!r}: must be a number above 0")
        return found

    def trained(self, ending: Ending) -> Trainer:
        """Returns the codec's training, at its end; each epoch leaves a state to resume from."""
        settings, preset = self.settings, self.settings.sizes()[0]
        trainer = Trainer(self.corpus, preset, judged_at(settings.tier), settings.seed, self.device)
        work = self.session.work / "codec"
        work.mkdir(parents=True, exist_ok=True)
        if self.identity:
            resumed(trainer, work, self.identity)
        run_epochs(self.session, trainer, preset.epochs, ending, self.identity, work)
        return trainer

    def export(self, trainer: Trainer) -> dict[str, Any]:
        """Write the codec, load it back, and measure it and the other one; returns the facts."""
        session, ratio = self.session, self.noise_ratio
        facts: dict[str, Any] = {
            "preset": trainer.preset.name,
            "tier": self.settings.tier,
            "noise_ratio": ratio,
            "epochs": trainer.preset.epochs,
            "best_epoch": trainer.best_epoch,
            "seed": trainer.seed,
            "parameters": trainer.net.n_parameters(),
            "windows_sha256": self.corpus.digest,
            "validation": self.corpus.val_source,
        }
        save_checkpoint(session.out, trainer.best_model(), LAMBDA, LEVELS, facts)
        seconds = trainer.preset.val_seconds
        score, other = (
            score_validation(RecordingCoder(model, ratio), self.corpus, seconds)
            for model in (load_model(session.out), self.beside)
        )
        picture = session.out / "reconstruction.png"
        write_atomic(picture, draw_preview(score))
        session.artifact("reconstruction", picture, "image/png")
        told = {"schema": "blut.training_metrics.v1", "epochs": trainer.history}
        write_atomic(
            session.out / "metrics.json", (json.dumps(told, sort_keys=True, indent=1) + "\n").encode()
        )
        return {
            "preset": trainer.preset.name,
            "epochs": trainer.epoch,
            "parameters": trainer.net.n_parameters(),
            "val_prdn": score.prdn,
            "val_bits_per_sample": score.bits_per_sample,
            "headroom_bits_pct": 100 * (1 - score.bits_per_sample / other.bits_per_sample),
        }


def main() -> None:
    """Run the payload."""
    with payload_session() as session, Ending().heard() as ending:
        settings, inputs = read_config(session, TeacherSettings), read_inputs(session, TeacherInputs)
        use_threads(settings.threads)
        seed_everything(settings.seed, exactly=True)
        with explained(LqcError):
            beside = load_model(inputs.checkpoint)
        corpus, device = load_corpus(inputs.windows), torch.device(choose_device(settings.device))
        oracle = Oracle(session, settings, corpus, beside, device)
        trainer = oracle.trained(ending)
        facts = oracle.export(trainer)
        sizes = settings.sizes()[1]
        fit = DecoderFit(load_model(session.out), corpus, sizes, settings.seed, device)
        fit_epochs(session, fit, ending, oracle.identity, session.work / DECODER, trainer.epoch)
        save_net(session.out / DECODER, fit.best_net(), fit.model, {"width": sizes.width})
        session.done(**facts, decoder_parameters=fit.learner.net.n_parameters())


if __name__ == "__main__":
    main()
