"""Encodes one recording: chosen, coded, written under its name when it is whole."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from cookbooks.lamquant.codec.presets import TIERS
from cookbooks.lamquant.codec_command.batch import Row
from cookbooks.lamquant.codec_command.edf_in import LEFT_OUT, REPAIRED, SignalsWanted, taken
from cookbooks.lamquant.codec_command.files import LQC, FileJob, finished
from cookbooks.lamquant.codec_command.marks import shipped_vocabulary
from cookbooks.lamquant.codec_command.pairs import ASKED
from cookbooks.lamquant.codec_command.recorded import loaded
from cookbooks.lamquant.codec_command.steered import pipeline_in, steered
from cookbooks.lamquant.formats.edf.names import SUFFIX
from cookbooks.lamquant.lqc.container.header import Profile
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.targets import Bitrate, Cr, MaxError, NoiseRatio, Prdn, Target

USUAL_TIER = 3


@dataclass(frozen=True)
class Asked:
    """Holds how recordings are to be encoded.

    ``checkpoint`` is None where no model is needed, ``profile`` where it is the pipeline's, or ``full``.
    """

    checkpoint: Path | None
    target: Target | None
    tier: int | None
    profile: Profile | None
    identity: bool
    only_eeg: bool
    force: bool


def encoded(asked: Asked, job: FileJob, threads: int, progress: Callable[[int, int], None]) -> Row:
    """Returns what is said of a recording that was encoded.

    Raises:
        BadRecording: it cannot be read.
        BadPlace: its place is taken.
        LqcError: it cannot be coded as it is asked.
    """
    model = None if asked.checkpoint is None else loaded(asked.checkpoint)
    plain = asked.checkpoint is None or asked.target or asked.tier
    pipeline = None if plain or asked.checkpoint is None else pipeline_in(asked.checkpoint)
    profile = asked.profile or (pipeline.profile if pipeline else "full")
    target = asked.target or _of_tier(asked.tier, {} if model is None else model.description)
    wanted = SignalsWanted(asked.identity, asked.only_eeg, eeg_needed=not isinstance(target, MaxError))
    with (
        finished(job.target, job.source, asked.force) as part,
        taken(job.source, wanted, shipped_vocabulary()) as found,
        part.open("wb") as file,
    ):
        if isinstance(target, Cr):
            target = Cr(target.ratio, 8 * found.sample_bytes)
        by = steered(pipeline, found.signals, profile) if pipeline else None
        target = by.target if by else target
        said = by.facts if by else {ASKED: _asked(target)}  # levels promise no error
        made = encode_stream(
            found.signals,
            file,
            model,
            target,
            profile=profile,
            about=replace(found.about, facts={**found.about.facts, **said}),
            courses=by.courses if by else (),
            threads=threads,
            progress=progress,
        )
        first = found.signals[0]
        return {
            "output": str(job.target),
            "bytes": made.n_bytes,
            "original_bytes": found.raw_bytes,
            "cr": found.raw_bytes / made.n_bytes,
            "prdn": made.prdn,
            "max_error": made.max_error,
            "channels": sum(len(signal.channels) for signal in found.signals),
            "eeg_channels": sum(len(signal.channels) for signal in found.signals if not signal.exact),
            "seconds": first.n_samples / first.rate_hz,
            "gaps": sum(gap.group == 0 for gap in found.about.gaps),
            "annotations": len(found.about.annotations),
            "identity": "kept" if asked.identity else "stripped",
            "left_out": found.about.facts.get(LEFT_OUT, []),
            "repairs": [asdict(one) for one in found.repairs],
            "repaired": found.about.facts.get(REPAIRED, []),
            "notes": list(made.notes),
        }


def _asked(target: Target) -> dict[str, float]:
    return {target.name: getattr(target, fields(target)[0].name)}


def _of_tier(tier: int | None, description: dict[str, object]) -> Target:
    """Returns the target of a tier, of the one that the model was trained for if none is asked for."""
    own = description.get("tier")
    number = tier or (own if isinstance(own, int) and own in TIERS else USUAL_TIER)
    return NoiseRatio(TIERS[number].noise_ratio)


def target_of(
    prdn: float | None, max_error: int | None, cr: float | None, bitrate: float | None
) -> Target | None:
    """Returns the target that is asked for, None where it is that of a tier.

    Raises:
        LqcError: a value that it cannot have.
    """
    if prdn is not None:
        return Prdn(prdn)
    if max_error is not None:
        return MaxError(max_error)
    if cr is not None:
        return Cr(cr)
    return None if bitrate is None else Bitrate(bitrate)


def renamed(source: Path) -> str:
    """Returns the name that an encoded recording gets."""
    return re.sub(SUFFIX, "", source.name) + LQC
