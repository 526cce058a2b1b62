"""Judge a decoder: the same bytes, decoded as shipped and by the candidate, against the originals.

Inputs: ``candidate`` (the decoder), ``encoder`` (the codec that it is for), ``windows``, ``corpus``,
``split``, ``registry``; of profile ``full`` the ``bitstreams``, the ``received`` copies that the candidate's
process decoded, ``shipped`` and ``refined`` samples; the same of profile ``device``, with ``device_`` before
the name. ``known`` in the config is the digest that the bitstreams of this encoder had in its own verdict.

A recording's gain is by how many percent its PRDN is less. A decoder that gains too little is refused, and
one that is worse on a single recording; ``outcome`` says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import cookbooks.lamquant.gate.checks as checks
from blut_resources.files.digest import digest_path
from blut_resources.files.durable import StoreError
from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Verdict
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.gate.findings import GateFindings, measure_files
from cookbooks.lamquant.gate.floors import CORPUS, STRETCH_SECONDS
from cookbooks.lamquant.gate.judgement import Judgement, JudgementSettings, facts_of
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.refine.files import DESCRIPTION, FOR_ENCODER, description_of

PREFIXES: Mapping[str, str] = {"full": "", "device": "device_"}
"""How the names of a profile's inputs begin."""
FILES = ("bitstreams", "received", "shipped", "refined")
DIGESTED = ("encoder", *(f"{prefix}{name}" for prefix in PREFIXES.values() for name in FILES))
SHOWN = (
    *("gain_pct", "gain_full_pct", "gain_device_pct", "regression_pct", "prdn", "shipped_prdn"),
    *("device_prdn", "device_shipped_prdn"),
)
"""Summary figures that are facts of the artifact."""


@dataclass(frozen=True, kw_only=True)
class DecoderScoreSettings(JudgementSettings):
    """Says what the verdict is about, on which bitstreams the encoder's own verdict was made, if any, and
    whether one says that it rests on made-up data.
    """

    known: str | None = None
    encoder_synthetic: bool = False


@dataclass(frozen=True)
class Gain:
    """Holds PRDN in percent of one file, as shipped and as refined."""

    shipped: float
    refined: float

    @property
    def pct(self) -> float:
        """Returns by how many percent the error is less; negative where it is more."""
        return 100 * (1 - self.refined / self.shipped) if self.shipped else 0.0


def score(settings: DecoderScoreSettings, inputs: dict[str, Path]) -> Verdict:
    """Returns the verdict on a decoder.

    Raises:
        InputMissing, RegistryInvalid, SplitInvalid, CorpusError, StoreError, LqcError: there is nothing to
            judge by.
    """
    judgement = Judgement("decoder", settings, inputs, digested=DIGESTED, needed=["windows"])
    judgement.note_training(inputs["candidate"], DESCRIPTION)
    gains: dict[str, dict[str, Gain]] = {}
    for profile, prefix in PREFIXES.items():
        gains[profile] = _measured(judgement, {name: inputs[f"{prefix}{name}"] for name in FILES}, profile)
    judgement.note("same_bitstreams", _other_bytes(judgement, settings.known))
    figures = _figures(gains, len(judgement.stems))
    judgement.measured[CORPUS] |= {name: figures[name] for name in ("gain_pct", "regression_pct")}
    return judgement.verdict(
        figures,
        synthetic=settings.encoder_synthetic
        or checks.made_up(judgement.corpus.index, judgement.split, inputs["windows"]),
        details={
            "gains": {
                profile: {
                    stem: {"shipped_prdn": one.shipped, "prdn": one.refined, "gain_pct": one.pct}
                    for stem, one in found.items()
                }
                for profile, found in gains.items()
            },
            "outcome": outcome(figures),
            "bitstreams_known": settings.known is not None,
            "model_bytes": checks.total_bytes(inputs["candidate"]),
        },
    )


def _measured(judgement: Judgement, files: Mapping[str, Path], profile: str) -> dict[str, Gain]:
    """Returns the gain of each recording that could be measured both ways."""
    encoder, shipped = judgement.inputs["encoder"], GateFindings()
    own = {"candidate": encoder, "bitstreams": files["bitstreams"], "decoded": files["shipped"]}
    measure_files(shipped, judgement.corpus, judgement.stems, own, STRETCH_SECONDS)
    for name in ("one_decoding_per_recording", "real_bitstreams"):
        judgement.note(name, [f"as shipped, {profile}: {one}" for one in shipped.violations[name]])
    refined = judgement.findings if profile == "full" else GateFindings()
    if profile == "full":
        judgement.measure_coding(encoder, files["bitstreams"], files["refined"])
    else:
        measure_files(
            refined, judgement.corpus, judgement.stems, {**own, "decoded": files["refined"]}, STRETCH_SECONDS
        )
        for name, problems in refined.violations.items():
            if problems:
                judgement.note(name, [f"{profile}: {one}" for one in problems])
    found = {}
    for stem in judgement.stems:
        before, after = (of.figures.get(stem, {}).get("prdn") for of in (shipped, refined))
        if before is not None and after is not None:
            found[stem] = Gain(before, after)
    return found


def _other_bytes(judgement: Judgement, known: str | None) -> list[str]:
    """Returns how the decoded bytes are not those of the encoder, or the decoder not one for them."""
    inputs, problems = judgement.inputs, []
    for profile, prefix in PREFIXES.items():
        written, received = (digest_path(inputs[f"{prefix}{name}"]) for name in FILES[:2])
        if written != received:
            problems.append(f"{profile}: what was decoded has digest {received}, the encoder wrote {written}")
    if known is not None and digest_path(inputs["bitstreams"]) != known:
        problems.append(f"the encoder's own verdict was made on other bytes, {known}")
    try:
        said = description_of((inputs["candidate"] / DESCRIPTION).read_bytes()).get(FOR_ENCODER)
    except (OSError, LqcError) as error:
        return [*problems, f"the candidate is not a decoder: {error}"]
    digest = checks.model_digest(inputs["encoder"])
    if digest is None or not str(said).startswith(digest.hex()):
        problems.append(f"the decoder was trained for the encoder {said}, another one")
    return problems


def _figures(gains: Mapping[str, Mapping[str, Gain]], n_stems: int) -> dict[str, float | None]:
    """Returns the summary; None unless every recording was measured in both profiles."""
    names = dict.fromkeys(SHOWN)
    if not n_stems or any(len(found) < n_stems for found in gains.values()):
        return names
    every = [one.pct for found in gains.values() for one in found.values()]
    figures: dict[str, float | None] = {
        "gain_pct": fmean(every),
        "regression_pct": max(0.0, -min(every)),
    }
    for profile, prefix in PREFIXES.items():
        rows = gains[profile].values()
        figures[f"gain_{profile}_pct"] = fmean(one.pct for one in rows)
        figures[f"{prefix}prdn"] = fmean(one.refined for one in rows)
        figures[f"{prefix}shipped_prdn"] = fmean(one.shipped for one in rows)
    return names | figures


def outcome(figures: Mapping[str, float | None]) -> str:
    """Returns in words what a decoder is worth."""
    gain, worse = figures["gain_pct"], figures["regression_pct"]
    if gain is None or worse is None:
        return "not measured"
    if worse > 0:
        return "worse on a recording"
    return "gain" if gain > 0 else "no gain"


def main() -> None:
    """Score one session's candidate."""
    with payload_session() as session:
        settings = read_config(session, DecoderScoreSettings)
        with explained(StoreError, LqcError):
            verdict = score(settings, session.inputs)
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        facts: dict[str, Any] = facts_of(verdict, *SHOWN)
        rows = verdict.details["gains"]["full"]
        session.done(**facts, outcome=verdict.details["outcome"], n_recordings=len(rows))


if __name__ == "__main__":
    main()
