"""Rate and distortion of the joint codec and of the trained-DCT anchor, on the sealed test split.

``python -m bench.codec_score ARGS.json`` looks up, in the instance in $DAGSTER_HOME, what a run of the main
job with these args made, and prints one JSON object per operating point. Exit status 3: not trained yet.

Both are trained on the same windows and pay for the same header. At each point the anchor gets the error
that the joint codec left in each channel; its CR at exactly our PRDN is interpolated between two encodings,
a little finer and a little coarser.
"""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from blut_assets.history.planning import plan
from blut_resources.instance.instance import open_instance, store_of
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE
from cookbooks.lamquant.codec.v1.coder import RecordingCoder
from cookbooks.lamquant.codec.v1.dct import DctAnchor, fit_anchor
from cookbooks.lamquant.formats.corpus import Corpus, Recording
from cookbooks.lamquant.gate.metrics import measure
from cookbooks.lamquant.recipes import JOINT_CODEC
from cookbooks.lamquant.signal.split import read_split, stems_in

NOISE_RATIOS = (0.10, 0.15, 0.20, 0.30, 0.40)
"""The tiers' error ratios and one between; the checkpoint was trained for the tier of its args."""
FINER, COARSER = 0.95, 1.07
MADE = ("lma_corpus", "split_manifest", "training_windows", "joint_checkpoint")
NOT_TRAINED = 3


@dataclass(frozen=True)
class Point:
    """Totals over recordings: CR of all file bytes, PRDN in percent of all, R of the worst."""

    cr: float
    prdn: float
    r: float


def made_by(args: dict[str, Any]) -> dict[str, Path] | None:
    """Where the artifacts of a main job with these args are, if it has run."""
    with open_instance() as instance:
        planned = plan(instance, JOINT_CODEC.assets, JOINT_CODEC.configs(JOINT_CODEC.parse(args)))
        digests = {p.asset.split("/")[-1]: p.digest for p in planned if p.state in ("fresh", "reusable")}
        store = store_of(instance)
        return {n: store.open(str(digests[n])) for n in MADE} if digests.keys() >= set(MADE) else None


def totals(recordings: Sequence[Recording], coded: Sequence[tuple[bytes, NDArray[np.int32]]]) -> Point:
    """Figures over all recordings together."""
    n_bytes = sum(len(data) for data, _ in coded)
    raw, error, energy, worst = 0, 0.0, 0.0, 1.0
    for recording, (_, digital) in zip(recordings, coded, strict=True):
        x = recording.microvolts
        y = digital * recording.scale[:, None] + recording.offset[:, None]
        raw += 2 * digital.size
        error += float(((x - y) ** 2).sum())
        energy += float(((x - x.mean(1, keepdims=True)) ** 2).sum())
        worst = min(worst, measure(x, y, recording.rate_hz).r or 0.0)
    return Point(raw / n_bytes, 100 * math.sqrt(error / energy), worst)


def joint(coder: RecordingCoder, recordings: Sequence[Recording], noise_ratio: float) -> list[Any]:
    """Encode and decode with the codec at an error ratio."""
    octaves = math.log2(coder.tier.noise_ratio / noise_ratio)
    level = min(max(coder.tier.level + round(LEVELS_PER_OCTAVE * octaves), 0), 2 * LEVEL_ZERO)
    tier = replace(coder.tier, noise_ratio=noise_ratio, level=level)
    own = RecordingCoder(coder.model, coder.entropy, tier, coder.lam, coder.digest)
    data = [own.encode(r.digital, r.rate_hz) for r in recordings]
    return [(each, own.decode(each)) for each in data]


def dct(anchor: DctAnchor, recordings: Sequence[Recording], ours: Sequence[Any], factor: float) -> Point:
    """The anchor with ``factor`` times the error that our decoded recordings have."""
    coded = []
    for recording, (_, decoded) in zip(recordings, ours, strict=True):
        rms = factor * np.sqrt(np.mean((decoded - recording.digital.astype(np.float64)) ** 2, axis=1))
        data = anchor.encode(recording.digital, recording.rate_hz, rms.tolist())
        coded.append((data, anchor.decode(data)))
    return totals(recordings, coded)


def at_prdn(finer: Point, coarser: Point, prdn: float) -> float:
    """CR at a PRDN, straight between two points in logarithms."""
    if finer.prdn == coarser.prdn:
        return finer.cr
    t = math.log(prdn / finer.prdn) / math.log(coarser.prdn / finer.prdn)
    return finer.cr * (coarser.cr / finer.cr) ** t


def main() -> None:
    """Entry point."""
    args = json.loads(Path(sys.argv[1]).read_text())
    made = made_by(args)
    if made is None:
        sys.exit(NOT_TRAINED)
    torch.set_num_threads(1)
    coder = load_checkpoint(made["joint_checkpoint"]).coder
    anchor = fit_anchor(load_corpus(made["training_windows"]))
    corpus = Corpus(made["lma_corpus"])
    stems = stems_in(read_split(made["split_manifest"], corpus.index), "test")
    recordings = [corpus.open(stem).whole() for stem in stems]
    for noise_ratio in NOISE_RATIOS:
        coded = joint(coder, recordings, noise_ratio)
        ours = totals(recordings, coded)
        finer, coarser = (dct(anchor, recordings, coded, factor) for factor in (FINER, COARSER))
        point = {"ours": vars(ours), "dct": vars(finer), "dct_coarser": vars(coarser)}
        own_tier = noise_ratio == coder.tier.noise_ratio
        equal = at_prdn(finer, coarser, ours.prdn)
        print(json.dumps({**point, "noise_ratio": noise_ratio, "dct_cr": equal, "own_tier": own_tier}))


if __name__ == "__main__":
    main()
