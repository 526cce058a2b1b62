"""Draws what a reviewer of a verdict asks to see; it decides nothing, and the verdict does not wait for it.

    python -m cookbooks.lamquant.payload.pictures_build --config FILE

Inputs: as for the scoring, and ``verdict``, the file that came of it. Writes ``rate.json`` (CR against PRDN
of the candidate, of what it would replace and of the trained DCT, on the beginnings of the sealed
recordings), ``floors.png`` (every channel in every band beside its floor) and ``worst.png`` (the worst ten
seconds).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from blut_resources.payload_kit.config import Bounds, read_config
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.registry.verdicts import VERDICT_FILE
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.v1.dct import BLOCK_S, fit_anchor
from cookbooks.lamquant.formats.corpus import Corpus, open_corpus
from cookbooks.lamquant.gate.floors import FloorRegistryFile, load_registry, required_floors
from cookbooks.lamquant.gate.measure import Part, measure_recording
from cookbooks.lamquant.gate.metrics import raw_bytes
from cookbooks.lamquant.gate.rate_picture import RATE_FILE
from cookbooks.lamquant.pictures.floors import draw_floors
from cookbooks.lamquant.pictures.rate import MOST_VALUES, AtRatio, Dct, PicturedStretch, at_ratio, rate_points
from cookbooks.lamquant.pictures.worst import Stretch, draw_worst, worst_stretch

SCHEMA = "blut.rate_points.v1"
MOST_RECORDINGS = 12
"""Recordings of which channels and seconds are looked at: those with the least margin."""


@dataclass(frozen=True)
class PictureSettings:
    """Says what curves are called."""

    candidate: str
    incumbent: str | None = None
    threads: Annotated[int, Bounds(1, 256)] = 1


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings = read_config(session, PictureSettings)
        use_threads(settings.threads)
        corpus, verdict = open_corpus(session.inputs), _verdict(session.inputs["verdict"])
        registry = load_registry(session.inputs["registry"])
        stems = _least_margin_first(verdict)
        session.step(1, of=3)
        curves = _curves(settings, session.inputs, corpus, stems)
        floors = registry.each_recording
        said = {"schema": SCHEMA, "curves": curves, "max_prdn": floors.max_prdn, "min_cr": floors.min_cr}
        write_atomic(session.out / RATE_FILE, (json.dumps(said, sort_keys=True) + "\n").encode())
        session.step(2, of=3)
        _draw(session, corpus, verdict, registry, stems[:MOST_RECORDINGS])
        session.done(n_recordings=len(stems))


def _verdict(path: Path) -> dict[str, Any]:
    return json.loads((path / VERDICT_FILE if path.is_dir() else path).read_bytes())


def _least_margin_first(verdict: Mapping[str, Any]) -> list[str]:
    """Returns the recordings that were measured, in the order in which the verdict complains of them."""
    rows = verdict["details"]["worst"]
    return list(dict.fromkeys([*(r["recording"] for r in rows), *verdict["details"]["per_recording"]]))


def _curves(
    settings: PictureSettings, inputs: Mapping[str, Path], corpus: Corpus, stems: Sequence[str]
) -> dict[str, list[list[float]]]:
    """Returns the points of each codec, all on the same pieces of the recordings."""
    coders: dict[str, AtRatio] = {settings.candidate: at_ratio(inputs["candidate"], settings.threads)}
    if settings.incumbent is not None:
        coders[settings.incumbent] = at_ratio(inputs["incumbent"], settings.threads)
    coders["trained DCT"] = Dct(fit_anchor(load_corpus(inputs["windows"])), BLOCK_S)
    share = MOST_VALUES // max(1, len(stems))
    pieces = []
    for stem in sorted(stems):
        recording = corpus.open(stem)
        length = min(recording.n_samples, max(round(recording.rate_hz), share // len(recording.channels)))
        width = raw_bytes(1, corpus.entries[stem]["bit_depth"])
        pieces.append(PicturedStretch(recording.read(0, length), recording.rate_hz, width))
    return {name: rate_points(coder, pieces) for name, coder in coders.items()}


def _draw(
    session: PayloadSession,
    corpus: Corpus,
    verdict: Mapping[str, Any],
    registry: FloorRegistryFile,
    stems: Sequence[str],
) -> None:
    figures, parts = verdict["details"]["per_recording"], dict[str, list[Part]]()
    worst: Stretch | None = None
    for stem in stems:
        recording = corpus.open(stem).whole()
        decoded = np.load(session.inputs["decoded"] / f"{stem}.npy", allow_pickle=False)
        bitstream = session.inputs["bitstreams"] / f"{stem}.lqc"
        seconds = registry.stretch_floors().seconds
        parts[stem] = measure_recording(recording, decoded, corpus.entries[stem], bitstream, seconds)[1]
        found = worst_stretch(recording, decoded, figures[stem]["subject"])
        if found is not None and (worst is None or found.prdn > worst.prdn):
            worst = found
    if not stems:
        return
    _show(session, "channels_and_floors", "floors.png", draw_floors(parts, required_floors(registry, stems)))
    if worst is not None:
        _show(session, "worst_ten_seconds", "worst.png", draw_worst(worst))


def _show(session: PayloadSession, name: str, file: str, data: bytes) -> None:
    write_atomic(session.out / file, data)
    session.artifact(name, session.out / file, "image/png")


if __name__ == "__main__":
    main()
