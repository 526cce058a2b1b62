"""Trains a decoder, and a teacher beside it, on one encoding of each crop by a frozen codec.

A teacher's context network learns from the integers that the codec wrote, a decoder from what they decode to.
Both come from the same pass, whose cost is measured, so that it can be said what sharing it saves.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from cookbooks.lamquant.codec.data import WindowCorpus
from cookbooks.lamquant.codec.examples import Plane, SymbolExamples, examples_of, join
from cookbooks.lamquant.codec.presets import DecoderPreset
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.refine.training.groups import CodedCrop, coded_both, draw_group
from cookbooks.lamquant.refine.training.learner import RefineLearner

_DRAWS = 0x0DEC0DE


@dataclass
class Spent:
    """Counts the seconds that coding crops took, and those that learning from them took."""

    coding: float = 0.0
    decoder: float = 0.0
    coding_for_teacher: float = 0.0

    def saved_pct(self, teacher: float) -> float:
        """Returns what two passes would take more than one did, in percent of the two.

        ``teacher`` are the seconds that the teacher learned. It would have needed profile ``device`` alone.
        """
        one = self.coding + self.decoder + teacher
        return 100 * self.coding_for_teacher / (one + self.coding_for_teacher) if one else 0.0


@dataclass
class CombinedPass:
    """Encodes crops with a frozen codec, teaches a decoder, and hands on the integers."""

    model: Model
    corpus: WindowCorpus
    preset: DecoderPreset
    learner: RefineLearner
    seed: int
    epoch: int = 0
    loss: float = 1.0
    spent: Spent = field(default_factory=Spent)

    def run_epoch(self) -> Iterator[list[CodedCrop]]:
        """Yields the coded groups of each shard, once the decoder has learned from them."""
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(key=[self.seed ^ _DRAWS, self.epoch]))
        losses = []
        for shard in range(self.preset.shards):
            self.learner.set_lr((self.epoch - 1 + shard / self.preset.shards) / self.preset.epochs)
            groups = self._coded(rng)
            began = time.perf_counter()
            losses.append(self.learner.learn(groups, rng))
            self.spent.decoder += time.perf_counter() - began
            yield groups
        self.loss = float(np.mean(losses))

    def examples(self, rng: np.random.Generator) -> Iterator[SymbolExamples]:
        """Yields what a teacher learns from: contexts of the integers of profile ``device``."""
        for groups in self.run_epoch():
            yield join([one for group in groups for one in _examples(group, rng)])

    def _coded(self, rng: np.random.Generator) -> list[CodedCrop]:
        groups, channels, low_high = list[CodedCrop](), 0, self.model.levels
        while channels < self.preset.channels_per_shard:
            began = time.perf_counter()
            crop = draw_group(self.corpus, rng, self.preset.crop_s, low_high)
            drawn = time.perf_counter()
            both = coded_both(crop, self.model)
            ended = time.perf_counter()
            # the coding of one profile is what a teacher alone would need
            self.spent.coding += ended - began
            self.spent.coding_for_teacher += drawn - began + (ended - drawn) / len(both)
            groups += both
            channels += len(crop.coefficients)
        return groups


def _examples(group: CodedCrop, rng: np.random.Generator) -> Iterator[SymbolExamples]:
    if group.profile != "device":
        return
    for p in range(len(group.y)):
        if group.chosen[p].any():
            spec = replace(group.spec, levels=group.spec.levels[p : p + 1])
            yield examples_of(Plane(group.y[p : p + 1], spec), group.chosen[p : p + 1], rng)
