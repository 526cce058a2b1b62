"""Says what a .lqc file holds, without decoding it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from blut_assets.terminal.output import columns, duration, size
from cookbooks.lamquant.codec_command.batch import Row
from cookbooks.lamquant.codec_command.edf_in import FACTS, LEFT_OUT, REPAIRED
from cookbooks.lamquant.codec_command.files import FileJob
from cookbooks.lamquant.codec_command.recorded import FIRST
from cookbooks.lamquant.controller.states import STATE_NAMES
from cookbooks.lamquant.lqc.container.header import ChannelFacts, Group
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.course import STATES
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.offsets import frame_offsets


def described(job: FileJob, threads: int, progress: Callable[[int, int], None]) -> Row:
    """Returns what a file says of itself.

    Raises:
        LqcError: it is no .lqc file, or its header is damaged.
    """
    if first := _of_first_version(job.source):
        return first
    n_bytes = job.source.stat().st_size
    with ChunkReader(job.source) as reader:
        header, lengths = reader.header, [reader.n_samples(i) for i in range(len(reader.header.groups))]
        groups = [
            _group(group, n, reader.n_chunks(number)) | _fineness(reader, number)
            for number, (group, n) in enumerate(zip(header.groups, lengths, strict=True))
        ]
        problems = list(reader.problems)
    about = header.facts.get(FACTS, {})
    bits = 24 if about.get("kind") == "BDF" else 16
    original = sum(len(g.channels) * n for g, n in zip(header.groups, lengths, strict=True)) * bits // 8
    return {
        "version": 2,
        "bytes": n_bytes,
        "original_bytes": original,
        "cr": original / n_bytes,
        "source": about.get("kind"),
        "seconds": lengths[0] / header.groups[0].rate_hz,
        "gaps": [[gap.start_sample, gap.seconds] for gap in header.gaps if gap.group == 0],
        "identity": "kept" if header.identity else "stripped",
        "identity_fields": about.get("identity", {}),
        "annotations": dict(Counter(one.kind for one in header.annotations)),
        "annotation_texts": any(one.text is not None for one in header.annotations),
        "left_out": header.facts.get(LEFT_OUT, []),
        "repaired": header.facts.get(REPAIRED, []),
        "groups": groups,
        "problems": problems,
    }


def _group(group: Group, n_samples: int, n_chunks: int) -> dict[str, Any]:
    return {
        "mode": group.mode,
        "profile": group.profile if group.mode == "lapped" else None,
        "rate_hz": group.rate_hz,
        "n_samples": n_samples,
        "chunks": n_chunks,
        "hop": group.hop or None,
        "model": group.digest.hex() or None,
        "channels": [_channel(channel) for channel in group.channels],
    }


def _fineness(reader: ChunkReader, number: int) -> dict[str, Any]:
    """Returns which share of time is coded how fine, the coarsest first; nothing where all of it is alike.

    Where the encoder says of what its levels are the levels, so does each share.
    """
    try:
        offsets = frame_offsets(reader, number)
    except LqcError:
        offsets = None  # what is damaged is said by those who decode
    if offsets is None or not offsets.finer.any():
        return {"fineness": []}
    seconds, names = offsets.seconds(), _names(reader.header.facts.get(STATES))
    return {
        "fineness": [
            {
                "state": names.get(int(one)),
                "quarter_octaves": int(one),
                "share": float(seconds[offsets.finer == one].sum() / seconds.sum()),
            }
            for one in np.unique(offsets.finer)
        ]
    }


def _names(states: Any) -> dict[int, str]:
    """Returns what each offset stands for; nothing where a header does not say it in whole numbers."""
    if not isinstance(states, list) or not all(isinstance(one, int) for one in states):
        return {}
    base, *levels = states or [0]
    return {level - base: name for name, level in zip(STATE_NAMES, levels, strict=False)}


def _channel(channel: ChannelFacts) -> dict[str, Any]:
    names = ("label", "unit", "physical_min", "physical_max", "digital_min", "digital_max")
    return {name: getattr(channel, name) for name in (*names, "prefiltering", "transducer")}


def _of_first_version(path: Path) -> Row | None:
    with path.open("rb") as file:
        data = file.read(len(FIRST))
        if data != FIRST:
            return None
    from cookbooks.lamquant.codec.v1.bitstream import unpack

    stream = unpack(path.read_bytes())
    n_bytes, values = path.stat().st_size, stream.n_samples * len(stream.channels)
    return {
        "version": 1,
        "bytes": n_bytes,
        "original_bytes": 2 * values,
        "cr": 2 * values / n_bytes,
        "source": None,
        "seconds": stream.n_samples / stream.rate_hz,
        "gaps": [],
        "identity": "stripped",
        "identity_fields": {},
        "annotations": {},
        "annotation_texts": False,
        "left_out": [],
        "repaired": [],
        "groups": [
            {
                "mode": "lapped",
                "profile": None,
                "rate_hz": stream.rate_hz,
                "n_samples": stream.n_samples,
                "chunks": 1,
                "hop": None,
                "model": stream.digest.hex(),
                "channels": [
                    {"label": f"ch{number}", "unit": ""} for number in range(1, len(stream.channels) + 1)
                ],
            }
        ],
        "problems": [],
    }


def told(row: Row) -> str:
    """Returns a description in lines."""
    rows = [
        {
            "rate": f"{group['rate_hz']:g} Hz",
            "channels": len(group["channels"]),
            "coded": _coded(group),
            "chunks": group["chunks"],
            "labels": " ".join(channel["label"].replace(" ", "_") for channel in group["channels"]),
        }
        for group in row["groups"]
    ]
    gaps = f", {len(row['gaps'])} gaps" if row["gaps"] else ""
    source = f" of {row['source']}" if row["source"] else ""
    lines = [
        f"{row['file']}: version {row['version']}{source}, {size(row['bytes'])}, CR {row['cr']:.3g},"
        f" {duration(row['seconds'])}{gaps}",
        columns(rows),
        f"annotations: {_annotations(row)}",
        f"identity: {_identity(row)}",
    ]
    lines += [f"left out: {name}: {why}" for name, why in row["left_out"]]
    lines += [f"repaired: {one}" for one in row["repaired"]]
    return "\n".join([*lines, *(f"damaged: {one}" for one in row["problems"])])


def _coded(group: dict[str, Any]) -> str:
    if group["mode"] == "exact":
        return "without a model"
    profile = f", {group['profile']}" if group["profile"] else ""
    fineness = ", ".join(
        f"{one['state'] or 'finer by ' + str(one['quarter_octaves'])} {100 * one['share']:.1f} %"
        for one in group.get("fineness", [])
    )
    return f"by model {group['model']}{profile}{': ' + fineness if fineness else ''}"


def _annotations(row: Row) -> str:
    if not row["annotations"]:
        return "none"
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(row["annotations"].items()))
    return f"{kinds}; {'with' if row['annotation_texts'] else 'without'} their texts"


def _identity(row: Row) -> str:
    if row["identity"] == "kept":
        return "kept: the file may name a person"
    return "stripped: no field for a person, no date, no text of an annotation is in it"
