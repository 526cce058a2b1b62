"""Trains transform, refinements and probability model jointly, one resumable epoch at a time.

Random numbers come from counters (seed, epoch), so an epoch is the same whether or not the process was
started anew before it. Each epoch is judged by coding the validation streams with the integer model that
would ship; the epoch with the least rate-distortion cost is the one that is kept.
"""

import math
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch

from blut_resources.payload_kit.session import Diverged
from cookbooks.lamquant.codec.data import WindowCorpus, draw_batch
from cookbooks.lamquant.codec.losses import choose, laplace_bits, objective, straight_through
from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE, Preset, Tier, hop_for
from cookbooks.lamquant.codec.v1.coder import RecordingCoder
from cookbooks.lamquant.codec.v1.entropy import EntropyModel, calibrate, features_of, to_integer
from cookbooks.lamquant.codec.v1.model import Architecture, GatedRefine, JointCodec, positions
from cookbooks.lamquant.codec.validation import mean_figures

LAMBDA = 0.13
"""Price of a bit in squared steps. A uniform quantiser at high rate has slope (ln 2) / 6 = 0.116; a little
more is best where most coefficients are zero."""
_EMA = 0.98
_LR_SHARE = {"analysis": 0.01, "synthesis": 0.01, "encoder": 0.2, "decoder": 0.3, "scale": 3.0}
"""Filters start as an MDCT and move little; the probability model starts from nothing."""
_CALIBRATION_SEED = 0x5CA1E


@dataclass
class Trainer:
    """Holds model, optimiser and their state.

    ``best`` is the kept snapshot, ``history`` one entry an epoch.
    """

    corpus: WindowCorpus
    preset: Preset
    tier: Tier
    seed: int
    device: torch.device
    epoch: int = 0
    best_cost: float = math.inf
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        longest = max(s.n_samples for s in self.corpus.train)
        hop = hop_for(self.preset, self.corpus.rate_hz, longest)
        self.architecture = Architecture(hop, self.preset.width, self.preset.hidden)
        self.model = JointCodec(self.architecture).to(self.device)
        self.average = JointCodec(self.architecture)
        self.average.load_state_dict(self.model.state_dict())
        self.best = {name: t.clone() for name, t in self.average.state_dict().items()}
        groups = [
            {"params": [p], "share": _LR_SHARE.get(name.split(".")[0], 1.0)}
            for name, p in self.model.named_parameters()
        ]
        self.optimizer = torch.optim.Adam(groups, lr=self.preset.lr, betas=(0.9, 0.98))
        self.batches = max(1, math.ceil(self.preset.crops_per_epoch / self.preset.batch_size))

    # --- one epoch ---------------------------------------------------------------------------------

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, validate, keep it if it is the best so far; its metrics.

        Raises:
            Diverged: the loss is NaN or infinite; nothing of that epoch is kept.
        """
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(key=[self.seed, self.epoch]))
        self.model.train()
        total = 0.0
        for batch in range(self.batches):
            self._set_lr((self.epoch - 1) * self.batches + batch)
            total += self._step(rng)
        metrics = self.validate(self.average, self.calibrated(self.average, 2)) | {
            "loss": total / self.batches
        }
        if not all(math.isfinite(value) for value in metrics.values()):
            raise Diverged(
                f"epoch {self.epoch}: a metric is not finite: {metrics}; lower lr={self.preset.lr:g}"
            )
        if metrics["val_loss"] < self.best_cost:
            self.best_cost, self.best_epoch = metrics["val_loss"], self.epoch
            self.best = {name: t.clone() for name, t in self.average.state_dict().items()}
        self.history.append({"epoch": self.epoch} | metrics)
        return metrics

    def _set_lr(self, step: int) -> None:
        steps = self.preset.epochs * self.batches
        warm = min(1.0, (step + 1) / max(1, min(50, steps // 10)))
        cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.preset.lr * group["share"] * warm * max(cosine, 0.02)

    def _step(self, rng: np.random.Generator) -> float:
        hop = self.architecture.hop
        length = (self.preset.frames + 1) * hop
        batch = draw_batch(self.corpus, rng, self.preset.batch_size, length, self.tier.level)
        noise = rng.random((len(batch.levels), self.preset.frames, hop), np.float32) - 0.5
        signal, level, uniform = (
            torch.from_numpy(a).to(self.device) for a in (batch.signals, batch.levels, noise)
        )
        position = torch.from_numpy(positions(hop, batch.rate_hz)).to(self.device)
        loss = self._loss(signal, level, position, uniform)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"epoch {self.epoch}: the loss is {value}; lower lr={self.preset.lr:g}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(new.to(mean.device), 1 - _EMA)
        return value

    def _loss(
        self, signal: torch.Tensor, level: torch.Tensor, position: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        model, hop = self.model, self.architecture.hop
        y = model.encoder(model.analyse(signal), position, level)
        with torch.no_grad():
            rough = torch.sign(y) * torch.floor(y.abs() + 0.4)
            hard = choose(y, model.scale(self._features(rough), position, level), LAMBDA)
        log_scale = model.scale(self._features(hard), position, level)
        decoded = model.synthesise(model.decoder(straight_through(hard, y), position, level))
        table_bits = laplace_bits(hard, log_scale)
        signal_bits = laplace_bits(y + noise, log_scale.detach())
        coded = objective(decoded - signal[:, hop:-hop], table_bits, LAMBDA)
        return coded + LAMBDA * (signal_bits - signal_bits.detach()).mean()

    def _features(self, q: torch.Tensor) -> torch.Tensor:
        magnitudes = q.abs().clamp(max=1e6).to(torch.int32).cpu().numpy()
        return torch.from_numpy(features_of(magnitudes)).to(self.device).float() / 16

    # --- judging -----------------------------------------------------------------------------------

    @torch.inference_mode()
    def calibrated(self, model: JointCodec, rounds: int, crops: int | None = None) -> EntropyModel:
        """Returns the integer probability model of ``model``, its tables counted on training crops."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, _CALIBRATION_SEED]))
        weights = {name: t.cpu().numpy() for name, t in model.scale.state_dict().items()}
        net = to_integer(weights)
        hop, planes = self.architecture.hop, []
        for _ in range(crops or self.preset.calibration_crops):
            batch = draw_batch(self.corpus, rng, 1, (self.preset.frames + 1) * hop, self.tier.level)
            index = positions(hop, batch.rate_hz)
            level = torch.from_numpy(batch.levels)
            y = model.encoder(model.analyse(torch.from_numpy(batch.signals)), torch.from_numpy(index), level)
            planes.append((y[0].numpy(), net.base(index, int(batch.levels[0]))))
        return calibrate(net, planes, LAMBDA, rounds)

    def validate(self, model: JointCodec, entropy: EntropyModel) -> dict[str, float]:
        """Quantise the validation streams at the tier's nominal step; nothing is coded to bytes.

        ``val_loss`` is squared error in steps plus lambda times bits; ``bits_per_sample`` is the code
        length under the shipped integer tables (the range coder adds at most one word a file).
        ``quantised_prdn`` and ``quantised_r`` are means over the streams, every channel scaled to unit RMS:
        they rank epochs of one training and are not what the coded files will measure.
        """
        coder = RecordingCoder(model, entropy, self.tier, LAMBDA, b"")
        scale = 2.0 ** ((self.tier.level - LEVEL_ZERO) / LEVELS_PER_OCTAVE)
        errors, bits, pairs = [], 0.0, []
        for stream, length in self.corpus.val_lengths(self.preset.val_seconds):
            originals, decoded = [], []
            for channel in np.flatnonzero(stream.rms > 0).tolist():
                x = stream.cut(channel, 0, length) * (scale / stream.rms[channel])
                q, _, cost = coder.quantise(coder.analyse(x), 1.0, self.tier.level, stream.rate_hz)
                back = coder.reconstruct(q, 1.0, self.tier.level, stream.rate_hz, length)
                originals.append(x)
                decoded.append(back)
                errors.append(back - x)
                bits += cost
            if originals:
                pairs.append((originals, decoded))
        e = np.concatenate(errors)
        rate = bits / len(e)
        prdn, r = mean_figures(pairs)
        return {
            "quantised_prdn": prdn,
            "quantised_r": r,
            "val_loss": float(np.mean(e**2)) + LAMBDA * rate,
            "bits_per_sample": rate,
        }

    # --- resume ------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Returns the tensors and facts that ``restore`` needs."""
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self.average.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": t for name, t in slots.items()}
        facts = {"epoch": self.epoch, "best_epoch": self.best_epoch, "history": self.history}
        return tensors, facts | {"best_cost": self.best_cost}

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Continue from what ``state`` gave."""

        def under(prefix: str) -> dict[str, torch.Tensor]:
            return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}

        self.model.load_state_dict(under("model."))
        self.average.load_state_dict(under("average."))
        self.best = under("best.")
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in under("adam.").items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
        layout = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": slots, "param_groups": layout["param_groups"]})
        self.epoch, self.best_epoch = facts["epoch"], facts["best_epoch"]
        self.best_cost, self.history = facts["best_cost"], facts["history"]

    def best_model(self) -> tuple[JointCodec, list[str]]:
        """Returns the kept snapshot, and the names of the refinements that it uses.

        A refinement stays only if coding the validation streams without it costs more.
        """
        best: tuple[float, JointCodec, list[str]] | None = None
        for kept in (["encoder", "decoder"], ["decoder"], ["encoder"], []):
            model = JointCodec(self.architecture)
            model.load_state_dict(self.best)
            for name in {"encoder", "decoder"} - set(kept):
                cast(GatedRefine, model.get_submodule(name)).reset()
            cost = self.validate(model, self.calibrated(model, 2))["val_loss"]
            if best is None or cost < best[0]:
                best = cost, model, kept
        assert best is not None
        return best[1], best[2]
