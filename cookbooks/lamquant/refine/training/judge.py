"""Judges a refining decoder on the validation streams: by coefficients in training, by files at its end."""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.codec.data import WindowCorpus
from cookbooks.lamquant.codec.presets import TIERS, hop_for
from cookbooks.lamquant.gate.metrics import prdn
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.planes import PROFILES, Profile
from cookbooks.lamquant.lqc.signals import array_signal
from cookbooks.lamquant.lqc.targets import NoiseRatio
from cookbooks.lamquant.refine.network import RefineNet
from cookbooks.lamquant.refine.refiner import LoadedRefiner
from cookbooks.lamquant.refine.training.groups import CodedCrop, coded, crop_of

JUDGED_AT = (TIERS[2].level, TIERS[3].level)
_STRENGTHS = (1.0, 0.75, 0.5, 0.25)


@dataclass(frozen=True)
class Errors:
    """Holds sums over a recording: squared error as shipped, answer times error, squared answer."""

    shipped: float
    along: float
    answer: float

    def ratio(self, strength: float) -> float:
        """Returns the RMS error of answers of this strength, as a share of the shipped decoder's."""
        refined = self.shipped - 2 * strength * self.along + strength**2 * self.answer
        return float(np.sqrt(max(refined, 0) / self.shipped)) if self.shipped else 1.0


class Validation:
    """Holds what a frozen codec makes of the validation streams, coded once."""

    def __init__(self, model: Model, corpus: WindowCorpus, seconds: float) -> None:
        self._model = model
        self._groups: dict[Profile, dict[str, list[CodedCrop]]] = {profile: {} for profile in PROFILES}
        for stream, length in corpus.val_lengths(seconds / len(JUDGED_AT)):
            rows = np.flatnonzero(stream.rms > 0)
            hop, signals = hop_for(stream.rate_hz, length), [stream.cut(c, 0, length) for c in rows.tolist()]
            for level in JUDGED_AT if signals else ():
                crop = crop_of(signals, stream.rms[rows], hop, stream.rate_hz, level)
                for profile, groups in self._groups.items():
                    groups.setdefault(stream.stem, []).append(coded(crop, model, profile))

    def errors(self, net: RefineNet) -> dict[Profile, list[Errors]]:
        """Returns the errors of each validation recording, by profile, with answers at full strength."""
        refiner = LoadedRefiner(self._model.digest, net)
        return {
            profile: [_errors(refiner, groups) for groups in recordings.values()]
            for profile, recordings in self._groups.items()
        }


def _errors(refiner: LoadedRefiner, groups: Sequence[CodedCrop]) -> Errors:
    sums = np.zeros(3)
    for group in groups:
        missing = group.y - group.decoded
        answer = refiner.refined(group.decoded, group.spec, group.profile) - group.decoded
        sums += [np.square(missing).sum(), (missing * answer).sum(), np.square(answer).sum()]
    return Errors(*sums.tolist())


def strength_for(errors: Sequence[Errors]) -> float:
    """Returns the strength with the least mean error of which no recording has more error than as shipped.

    It is 0, and the decoder changes nothing, where there is none such.
    """
    safe = [s for s in _STRENGTHS if all(one.ratio(s) <= 1 for one in errors)]
    return min(safe, key=lambda s: np.mean([one.ratio(s) for one in errors]), default=0.0)


@dataclass(frozen=True)
class FileScore:
    """Holds PRDN in percent of one recording's file, as the shipped decoder and as the new one decode it."""

    stem: str
    profile: Profile
    shipped: float
    refined: float


@dataclass(frozen=True)
class Decoded:
    """Holds a stretch of one channel [T], uV: as it was, as shipped, and as refined."""

    original: NDArray[np.float64]
    shipped: NDArray[np.float64]
    refined: NDArray[np.float64]
    rate_hz: float


def score_files(
    model: Model, refiner: LoadedRefiner, corpus: WindowCorpus, seconds: float
) -> tuple[list[FileScore], dict[Profile, Decoded]]:
    """Encode the validation streams in both profiles, decode them twice, and measure both.

    Returns the scores, and of each profile a few seconds to draw.
    """
    target, scores = NoiseRatio(float(model.description["noise_ratio"])), list[FileScore]()
    shown: dict[Profile, Decoded] = {}
    for stream, length in corpus.val_lengths(seconds):
        lsb = stream.lsb_uv[:, None]
        signal = np.stack([stream.cut(c, 0, length) for c in range(len(stream.rms))])
        digital = np.rint(signal / lsb).astype(np.int32)
        for profile in PROFILES:
            out = io.BytesIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                source = array_signal(digital, stream.rate_hz, [""] * len(digital))
                encode_stream([source], out, model, target, profile=profile, threads=1)
            pair = [decode(out.getvalue(), model, threads=1, refiner=one) * lsb for one in (None, refiner)]
            found = [prdn(signal, one) for one in pair]
            if found[0] is not None and found[1] is not None:
                scores.append(FileScore(stream.stem, profile, found[0], found[1]))
                shown.setdefault(profile, _stretch(signal, pair, stream.rms, stream.rate_hz))
    return scores, shown


def _stretch(
    signal: NDArray[np.float64], pair: list[NDArray[np.float64]], rms: NDArray[np.float64], rate_hz: float
) -> Decoded:
    channel, centre, half = int(np.argmax(rms > 0)), signal.shape[1] // 2, round(2 * rate_hz)
    at = slice(max(0, centre - half), centre + half)
    return Decoded(signal[channel, at], pair[0][channel, at], pair[1][channel, at], rate_hz)


def mean_prdn(scores: Sequence[FileScore], profile: Profile) -> Mapping[str, float]:
    """Returns the mean PRDN of a profile's files, ``shipped`` and ``refined``; NaN without any."""
    rows = [(one.shipped, one.refined) for one in scores if one.profile == profile]
    means = np.mean(rows, axis=0) if rows else (np.nan, np.nan)
    return {"shipped": float(means[0]), "refined": float(means[1])}
