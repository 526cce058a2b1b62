"""Judge an oracle: its own files as those of any codec, and what it would save at equal error.

Inputs: ``candidate`` (the teacher, with the decoder that it was trained with), ``reference`` (the codec that
it is measured beside), ``windows``, ``corpus``, ``split``, ``bitstreams`` and ``decoded`` of the candidate,
and ``registry``. Both codecs encode each sealed recording anew, until they leave the same error. A teacher
that saves nothing passes as a report: ``usable_as_teacher`` says whether anything can be learned from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# by their own names: `from` the package would make its recipes part of the verdict's code version
import cookbooks.lamquant.gate.checks as checks
from blut_resources.files.durable import StoreError
from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.device import use_threads
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Verdict
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.gate.floors import CORPUS
from cookbooks.lamquant.gate.judgement import Judgement, JudgementSettings, facts_of
from cookbooks.lamquant.gate.metrics import prdn
from cookbooks.lamquant.lqc.errors import InputError, LqcError
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.oracle.headroom import Codec, Headroom, headroom, interval_pct, saved_pct
from cookbooks.lamquant.refine.files import load_refiner

DIGESTED = ("reference", "bitstreams", "decoded")
DECODER = "decoder"
SHOWN = ("headroom_bits_pct", "headroom_low_pct", "headroom_high_pct", "cr", "worst_prdn", "worst_r")
"""Summary figures that are facts of the artifact."""


@dataclass(frozen=True, kw_only=True)
class OracleScoreSettings(JudgementSettings):
    """Says what the verdict is about, on how many threads, and if the reference rests on made-up data."""

    threads: int = 1
    reference_synthetic: bool = False


def score(settings: OracleScoreSettings, inputs: dict[str, Path]) -> Verdict:
    """Returns the verdict on an oracle.

    Raises:
        InputMissing, RegistryInvalid, SplitInvalid, CorpusError, StoreError, LqcError: there is nothing to
            judge by.
    """
    judgement = Judgement("oracle", settings, inputs, digested=DIGESTED, needed=["windows"])
    judgement.note_training(inputs["candidate"])
    judgement.measure_coding(inputs["candidate"], inputs["bitstreams"], inputs["decoded"])
    rooms, problems = _rooms(judgement, inputs)
    measured = bool(rooms) and not problems
    judgement.measured[CORPUS]["headroom_measured"] = int(measured)
    figures: dict[str, float | None] = {"headroom_bits_pct": None, "headroom_low_pct": None}
    figures["headroom_high_pct"] = None
    if measured:
        every = [np.concatenate([getattr(one, name) for one in rooms.values()]) for name in _SIDES]
        figures["headroom_bits_pct"] = round(saved_pct(*every), 6)
        figures["headroom_low_pct"], figures["headroom_high_pct"] = interval_pct([*rooms.values()])
    return judgement.verdict(
        judgement.summary() | figures,
        synthetic=settings.reference_synthetic
        or checks.made_up(judgement.corpus.index, judgement.split, inputs["windows"]),
        details={
            "headroom": {stem: _told(room) for stem, room in rooms.items()},
            "headroom_problems": problems,
            "usable_as_teacher": usable(figures),
            "model_bytes": checks.total_bytes(inputs["candidate"]),
        },
    )


_SIDES = ("reference", "candidate")


def usable(figures: dict[str, float | None]) -> bool:
    """Says whether a teacher is better than the codec it would teach, beyond what chance explains."""
    low = figures["headroom_low_pct"]
    return low is not None and low > 0


def _rooms(judgement: Judgement, inputs: dict[str, Path]) -> tuple[dict[str, Headroom], list[str]]:
    """Returns the headroom of each sealed recording, and why some have none."""
    reference = Codec(load_model(inputs["reference"]))
    candidate = Codec(load_model(inputs["candidate"]), load_refiner(inputs["candidate"] / DECODER))
    ratio, rooms, problems = float(reference.model.description["noise_ratio"]), dict[str, Headroom](), []
    for stem in judgement.stems:
        if stem not in judgement.corpus.entries:
            problems.append(f"{stem}: is not in the corpus")
            continue
        recording = judgement.corpus.open(stem).whole()
        try:
            found = headroom(
                recording.digital, recording.rate_hz, reference, candidate, ratio, _Error(recording)
            )
        except InputError as error:
            problems.append(f"{stem}: {error}")
            continue
        if found is None:
            problems.append(f"{stem}: its error cannot be measured")
        else:
            rooms[stem] = found
    return rooms, problems


@dataclass(frozen=True)
class _Error:
    """Measures decoded integers of one recording as a verdict does, in microvolts."""

    recording: Recording

    def __call__(self, decoded: Any) -> float | None:
        one = self.recording
        return prdn(one.microvolts, decoded * one.scale[:, None] + one.offset[:, None])


def _told(room: Headroom) -> dict[str, float]:
    return {
        "headroom_bits_pct": round(room.pct, 6),
        "prdn": room.prdn,
        "reference_bytes": float(room.reference.sum()),
        "candidate_bytes": float(room.candidate.sum()),
        "blocks": len(room.reference),
    }


def main() -> None:
    """Score one session's candidate."""
    with payload_session() as session:
        settings = read_config(session, OracleScoreSettings)
        use_threads(settings.threads)
        with explained(StoreError, LqcError):
            verdict = score(settings, session.inputs)
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        session.done(
            **facts_of(verdict, *SHOWN),
            usable_as_teacher=verdict.details["usable_as_teacher"],
            n_recordings=len(verdict.details["headroom"]),
        )


if __name__ == "__main__":
    main()
