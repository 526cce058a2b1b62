"""Describes a recording: groups of channels of one rate each, and what is known beside the samples."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cookbooks.lamquant.lqc.errors import InputError

MAX_GROUPS = 256
MAX_CHANNELS = 4096
"""Of one group."""
MIN_LOG2_HOP, MAX_LOG2_HOP = 3, 12
MAX_CHUNK_VALUES = 2**22
"""Values (channels x samples) of one chunk: what a reader must be able to hold."""
MAX_SAMPLES = 2**48
DIGEST_BYTES = 8
MAX_SHARED = 2**22
"""Bytes that all chunks of a group share."""
INT32 = (-(2**31), 2**31 - 1)

Mode = Literal["lapped", "exact"]
Profile = Literal["device", "full"]


@dataclass(frozen=True)
class ChannelFacts:
    """Holds what is known of a channel. ``dc``, ``low``, ``high`` are digital units.

    ``dc`` is subtracted before coding; decoded samples are clipped to ``low``..``high``. The two limits of
    ``physical_min``, ``physical_max`` (in ``unit``) are those of ``digital_min``, ``digital_max``, and what
    lies between is linear; without a scaling the samples are digital units only. ``facts`` is what else is
    to be kept of it, as JSON (of an EDF file the fields of its header as they were).
    """

    label: str = ""
    unit: str = ""
    physical_min: float | None = None
    physical_max: float | None = None
    digital_min: int | None = None
    digital_max: int | None = None
    prefiltering: str = ""
    transducer: str = ""
    dc: int = 0
    low: int = INT32[0]
    high: int = INT32[1]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Holds channels of one rate that are coded together, and how they are cut into chunks.

    Args:
        rate_hz: samples a second of each channel.
        channels: one to ``MAX_CHANNELS`` of them.
        mode: ``lapped`` (with loss, by a model) or ``exact`` (bounded error or none, no model).
        per_chunk: frames of a lapped chunk, samples of an exact one; the last chunk may have fewer.
        n_samples: of each channel; None where it is known at the end only.
        hop: samples from one frame of a lapped group to the next, a power of two; 0 of an exact one.
        profile: ``device`` is what a microcontroller can write, ``full`` is smaller.
        digest: the first bytes of the checkpoint's digest, of a lapped group; empty of an exact one.
        shared: what is done to channels together in all chunks of a lapped group (``spatial.pack_plan``).
    """

    rate_hz: float
    channels: tuple[ChannelFacts, ...]
    mode: Mode
    per_chunk: int
    n_samples: int | None = None
    hop: int = 0
    profile: Profile = "full"
    digest: bytes = b""
    shared: bytes = b""

    def n_frames(self, n_samples: int) -> int:
        """Returns how many frames so many samples have: frame ``f`` covers (f - 1) * hop to (f + 1) * hop.

        Of an exact group a frame is a sample.
        """
        if self.mode == "exact" or n_samples == 0:
            return n_samples
        return -(-n_samples // self.hop) + 1

    def n_chunks(self, n_samples: int) -> int:
        """Returns how many chunks so many samples have."""
        return -(-self.n_frames(n_samples) // self.per_chunk)

    def frames(self, chunk: int, n_samples: int) -> tuple[int, int]:
        """Returns the frames (of an exact group, the samples) of a chunk: first, and one beyond the last."""
        first = chunk * self.per_chunk
        return first, min(first + self.per_chunk, self.n_frames(n_samples))

    def samples(self, chunk: int, n_samples: int) -> tuple[int, int]:
        """Returns the samples that hang on a chunk: the first, and one beyond the last.

        Frames overlap: of a lapped group, the first and the last hop of them hang on the next chunk, too.
        """
        first, end = self.frames(chunk, n_samples)
        if self.mode == "lapped":
            first, end = (first - 1) * self.hop, end * self.hop
        return max(first, 0), min(end, n_samples)

    def most_samples(self, n_chunks: int) -> int:
        """Returns how many samples so many whole chunks hold: of a recording that breaks off."""
        frames = n_chunks * self.per_chunk
        return frames if self.mode == "exact" else max(frames - 1, 0) * self.hop


@dataclass(frozen=True)
class Gap:
    """Says that ``seconds`` passed unrecorded before ``start_sample`` of a group."""

    start_sample: int
    seconds: float
    group: int = 0


@dataclass(frozen=True)
class Annotation:
    """Holds a mark: seconds from the beginning of the recording (gaps count), and its class.

    ``text`` is what a person wrote; it is kept on request only, and ``FileHeader.identity`` then says so.
    """

    onset_s: float
    duration_s: float | None = None
    kind: str = ""
    text: str | None = None


@dataclass(frozen=True)
class FileHeader:
    """Holds all that a file says beside its samples. ``facts`` are free, as JSON.

    ``identity`` says that the file may name a person: texts of annotations, or the fields for them in
    ``facts``.
    """

    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    identity: bool = False

    def seconds(self, group: int, sample: int) -> float:
        """Returns when a sample was taken, in seconds from the beginning, gaps included."""
        passed = math.fsum(g.seconds for g in self.gaps if g.group == group and g.start_sample <= sample)
        return sample / self.groups[group].rate_hz + passed


def check(header: FileHeader) -> None:
    """Look whether a header can be written and read back.

    Raises:
        InputError: says which field of which group or channel cannot, and what it must be.
    """
    _within("groups", len(header.groups), 1, MAX_GROUPS)
    for number, group in enumerate(header.groups):
        _check_group(f"group {number}", group)
    for number, gap in enumerate(header.gaps):
        check_gap(f"gap {number}", gap, len(header.groups))
    for number, mark in enumerate(header.annotations):
        check_annotation(f"annotation {number}", mark, header.identity)


def check_gap(where: str, gap: Gap, n_groups: int) -> None:
    """Look whether a gap is one of a group that is there, and has a length.

    Raises:
        InputError: it has not.
    """
    _within(f"{where}: group", gap.group, 0, n_groups - 1)
    _within(f"{where}: start_sample", gap.start_sample, 0, MAX_SAMPLES)
    if not (math.isfinite(gap.seconds) and gap.seconds > 0):
        raise InputError(f"{where}: seconds is {gap.seconds}, and must be above 0")


def check_annotation(where: str, mark: Annotation, identity: bool) -> None:
    """Look whether an annotation has a time, and text only where a header says so.

    Raises:
        InputError: it has not.
    """
    duration = 0.0 if mark.duration_s is None else mark.duration_s
    if not (math.isfinite(mark.onset_s) and math.isfinite(duration) and duration >= 0):
        raise InputError(f"{where}: onset {mark.onset_s} s and duration {duration} s must be finite")
    if mark.text is not None and not identity:
        raise InputError(f"{where} has text, which may name a person: drop it, or set `identity`")


def _check_group(where: str, group: Group) -> None:
    if not (math.isfinite(group.rate_hz) and 0 < group.rate_hz <= 1e9):
        raise InputError(f"{where}: rate_hz is {group.rate_hz}, and must be above 0 and at most 1e9")
    if group.mode not in ("lapped", "exact") or group.profile not in ("device", "full"):
        raise InputError(f"{where}: mode {group.mode!r}, profile {group.profile!r} is not known")
    _within(f"{where}: channels", len(group.channels), 1, MAX_CHANNELS)
    lapped = group.mode == "lapped"
    if lapped and (group.hop & (group.hop - 1) or not 2**MIN_LOG2_HOP <= group.hop <= 2**MAX_LOG2_HOP):
        most = f"{2**MIN_LOG2_HOP}..{2**MAX_LOG2_HOP}"
        raise InputError(f"{where}: hop is {group.hop}, and must be a power of two of {most}")
    if not lapped and (group.hop or group.digest or group.shared):
        raise InputError(f"{where}: an exact group has no hop, no digest and nothing shared")
    _within(f"{where}: bytes shared", len(group.shared), 0, MAX_SHARED)
    if lapped and len(group.digest) != DIGEST_BYTES:
        raise InputError(f"{where}: digest has {len(group.digest)} bytes, and must have {DIGEST_BYTES}")
    most = MAX_CHUNK_VALUES // (len(group.channels) * (group.hop or 1))
    _within(f"{where}: per_chunk", group.per_chunk, 1, most)
    if group.n_samples is not None:
        _within(f"{where}: n_samples", group.n_samples, 0, MAX_SAMPLES)
    for number, channel in enumerate(group.channels):
        _check_channel(f"{where}, channel {number}", channel)


def _check_channel(where: str, channel: ChannelFacts) -> None:
    if not INT32[0] <= channel.low <= channel.dc <= channel.high <= INT32[1]:
        shown = f"low {channel.low}, dc {channel.dc}, high {channel.high}"
        raise InputError(f"{where}: {shown} must be in this order, and of 32 bits")
    scaling = (channel.physical_min, channel.physical_max, channel.digital_min, channel.digital_max)
    given = [value for value in scaling if value is not None]
    if len(given) not in (0, 4) or not all(
        math.isfinite(value) for value in scaling[:2] if value is not None
    ):
        raise InputError(f"{where}: a scaling has four finite numbers, or none; this one is {scaling}")
    for name, value in (("digital_min", channel.digital_min), ("digital_max", channel.digital_max)):
        _within(f"{where}: {name}", value or 0, *INT32)
    if given and channel.digital_min == channel.digital_max:
        raise InputError(f"{where}: digital_min and digital_max are both {channel.digital_min}")


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(f"{name} is {value}, and must be in {least}..{most}")
