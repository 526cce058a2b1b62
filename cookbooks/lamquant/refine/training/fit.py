"""Fits a decoder, and a teacher if wanted, epoch by epoch; each epoch can be continued from bit by bit."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.session import Diverged, PayloadSession
from cookbooks.lamquant.codec.data import WindowCorpus
from cookbooks.lamquant.codec.epochs import resumed, run_epochs
from cookbooks.lamquant.codec.presets import DecoderPreset
from cookbooks.lamquant.codec.training import Trainer
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.planes import PROFILES
from cookbooks.lamquant.refine.network import RefineNet
from cookbooks.lamquant.refine.training.combined import CombinedPass
from cookbooks.lamquant.refine.training.judge import Validation, strength_for
from cookbooks.lamquant.refine.training.learner import RefineLearner

_STATE_SCHEMA = 1
Tensors = dict[str, torch.Tensor]


@dataclass
class DecoderFit:
    """Holds a decoder in training, and what it is trained and judged on.

    Attributes:
        model: the frozen codec.
        corpus: the crops, and the validation streams.
        preset: how much work.
        seed: of all that is drawn.
        device: where the decoder learns.
        teacher: learns from the same integers, if given.
    """

    model: Model
    corpus: WindowCorpus
    preset: DecoderPreset
    seed: int
    device: torch.device
    teacher: Trainer | None = None
    best_error: float = math.inf
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = self.preset
        self.learner = RefineLearner(size.width, size.depth, size.lr, self.seed, self.device)
        self.passed = CombinedPass(self.model, self.corpus, size, self.learner, self.seed)
        self._validation = Validation(self.model, self.corpus, size.val_seconds)
        self._best = {name: t.clone() for name, t in self.learner.average.state_dict().items()}
        if self.teacher is not None:
            self.teacher.source = self.passed.examples

    @property
    def epoch(self) -> int:
        """Returns how many epochs are done."""
        return self.passed.epoch

    def run_epoch(self) -> dict[str, Any]:
        """Returns the metrics of one more epoch, which is kept if it is the best so far.

        ``val_error`` is the RMS error as a share of what the codec's own decoder leaves: below 1 is a gain.

        Raises:
            Diverged: a metric is NaN or infinite.
        """
        taught: dict[str, float] = {}
        if self.teacher is not None:
            found = self.teacher.run_epoch()
            taught = {
                "teacher_loss": found["loss"],
                "teacher_bits_per_sample": found["bits_per_sample"],
            }
        else:
            for _ in self.passed.run_epoch():
                pass
        errors = self._validation.errors(self._net(self.learner.average.arrays(), np.ones(len(PROFILES))))
        by_profile = {
            f"val_error_{profile}": float(np.mean([one.ratio(1) for one in recordings]))
            for profile, recordings in errors.items()
        }
        metrics: dict[str, Any] = {
            "loss": self.passed.loss,
            "val_error": float(np.mean(list(by_profile.values()))),
        }
        metrics |= by_profile | taught
        if not all(math.isfinite(value) for value in metrics.values()):
            raise Diverged(
                f"epoch {self.epoch}: a metric is not finite: {metrics}; lower lr={self.preset.lr:g}"
            )
        if metrics["val_error"] < self.best_error:
            self.best_error, self.best_epoch = metrics["val_error"], self.epoch
            self._best = {name: t.clone() for name, t in self.learner.average.state_dict().items()}
        self.history.append({"epoch": self.epoch} | metrics)
        return metrics

    def best_net(self) -> RefineNet:
        """Returns the best epoch's network, as strong in each profile as no validation recording minds."""
        self.learner.average.load_state_dict(self._best)
        arrays = self.learner.average.arrays()
        errors = self._validation.errors(self._net(arrays, np.ones(len(PROFILES))))
        return self._net(arrays, np.array([strength_for(errors[profile]) for profile in PROFILES]))

    def _net(self, arrays: dict[str, Any], strength: Any) -> RefineNet:
        return RefineNet.from_arrays(arrays | {"strength": strength.astype(np.float32)})

    @property
    def steps(self) -> int:
        """Returns the optimiser steps of the decoder."""
        return self.learner.steps

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Returns the tensors and facts that ``restore`` needs."""
        tensors, facts = self.learner.state()
        tensors = {f"decoder.{name}": t for name, t in tensors.items()}
        tensors |= {f"best.{name}": t for name, t in self._best.items()}
        told: dict[str, Any] = {
            "learner": facts,
            "spent": asdict(self.passed.spent),
            "epoch": self.epoch,
            "loss": self.passed.loss,
            **{name: getattr(self, name) for name in ("best_epoch", "best_error", "history")},
        }
        if self.teacher is not None:
            taught, told["teacher"] = self.teacher.state()
            tensors |= {f"teacher.{name}": t for name, t in taught.items()}
        return tensors, told

    def restore(self, tensors: Tensors, facts: dict[str, Any]) -> None:
        """Continue from what ``state`` gave."""

        def under(prefix: str) -> Tensors:
            return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}

        self.learner.restore(under("decoder."), facts["learner"])
        self._best = under("best.")
        self.passed.epoch, self.passed.loss = facts["epoch"], facts["loss"]
        for name, seconds in facts["spent"].items():
            setattr(self.passed.spent, name, seconds)
        self.best_epoch, self.best_error, self.history = (
            facts[name] for name in ("best_epoch", "best_error", "history")
        )
        if self.teacher is not None:
            self.teacher.restore(under("teacher."), facts["teacher"])


def identity_of(parts: list[Any]) -> str:
    """Returns what two attempts must share for one to continue the other."""
    made = [_STATE_SCHEMA, *parts, torch.__version__]
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def fit_epochs(
    session: PayloadSession, fit: DecoderFit, ending: Ending, identity: str, work: Path, first: int = 0
) -> None:
    """Run the epochs that are left, keeping a resumable state after each.

    ``first`` counts epochs of the session that went before; an empty ``identity`` resumes nothing.
    """
    work.mkdir(parents=True, exist_ok=True)
    if identity:
        resumed(fit, work, identity)
    run_epochs(session, fit, fit.preset.epochs, ending, identity, work, first)
