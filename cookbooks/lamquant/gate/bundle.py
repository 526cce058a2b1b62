"""Lets a codec's verdict travel: candidate, floors and split go along, the recordings never do."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.files.digest import digest_path
from blut_resources.files.durable import StoreError
from blut_resources.payloads.isolated_run import IsolatedFailed, run_isolated
from blut_resources.registry.verdicts import (
    VERDICT_FILE,
    PromotionRefused,
    Verdict,
    parse_verdict,
    require_pass,
)
from cookbooks.lamquant.gate.floors import REGISTRY_FILE, RegistryInvalid
from cookbooks.lamquant.gate.in_force import floors_in_force, is_second
from cookbooks.lamquant.gate.split import SPLIT_FILE, SplitInvalid

CODEC_DECODE = "cookbooks.lamquant.payload.codec_decode"
VERDICT_SCORE = "cookbooks.lamquant.payload.verdict_score"
BITSTREAMS, WINDOWS_INDEX = "bitstreams", "windows.json"
SAME = 1e-6
"""How far a figure may lie from the one that was judged, relative to it, above 1."""


def carried(verdict: Verdict) -> Mapping[str, str] | None:
    """Returns the candidate, and what it was judged by."""
    if not {"corpus", "registry", "split"} <= verdict.inputs.keys():
        return None
    floors = {"floors": verdict.inputs["registry"], "split": verdict.inputs["split"]}
    return {"candidate": verdict.candidate, **floors}


def problems(folder: Path, verdict: Verdict, digests: Mapping[str, str]) -> list[str]:
    """Returns what in the artifacts that came along contradicts the verdict."""
    try:
        registry, split = folder / "floors" / REGISTRY_FILE, folder / "split" / SPLIT_FILE
        floors = floors_in_force(registry.read_bytes(), split.read_bytes())
        require_pass(
            folder / "verdict",
            candidate=digests["candidate"],
            verdict=digests["verdict"],
            model=verdict.model,
            inputs={"registry": digests["floors"], "split": digests["split"]},
            floors=floors,
        )
    except (OSError, PromotionRefused, RegistryInvalid, SplitInvalid) as error:
        return [str(error)]
    if "bitstreams" not in verdict.inputs:
        return []
    sent = folder / "verdict" / BITSTREAMS
    if not sent.is_dir() or not (folder / "verdict" / WINDOWS_INDEX).is_file():
        return ["the verdict was made before its bitstreams were kept with it: judge the candidate again"]
    if digest_path(sent) != verdict.inputs["bitstreams"]:
        return ["the bitstreams are not those that were judged"]
    return []


def again(folder: Path, verdict: Verdict, corpus: Path) -> list[str]:
    """Returns what comes out otherwise when the bitstreams are decoded and judged once more, on this
    machine.
    """
    if is_second((folder / "floors" / REGISTRY_FILE).read_bytes()):
        return [f"verdicts on {verdict.model} are not measured again from a bundle: run the recipe once more"]
    try:
        found = digest_path(corpus)
    except StoreError as error:
        return [str(error)]
    if found != verdict.inputs["corpus"]:
        return [
            f"{corpus} has digest {found[:12]}, the verdict was made on {verdict.inputs['corpus'][:12]}: give"
            " the directory of that corpus, with corpus.json and archives"
        ]
    with tempfile.TemporaryDirectory(prefix="blut-again-") as scratch:
        try:
            return _measured(folder, verdict, corpus, Path(scratch))
        except (IsolatedFailed, PromotionRefused) as error:
            return [str(error)]


def _measured(folder: Path, verdict: Verdict, corpus: Path, scratch: Path) -> list[str]:
    candidate, sent = folder / "candidate", folder / "verdict" / BITSTREAMS
    received, decoded = {"checkpoint": candidate, "bitstreams": sent}, scratch / "decoded"
    run_isolated(CODEC_DECODE, {}, received, decoded, Isolation(hidden=(corpus, folder / "split")))
    if digest_path(decoded) != verdict.inputs["decoded"]:
        return ["decoded here, the samples are not those that were judged"]
    windows = scratch / "windows"
    windows.mkdir()
    (windows / WINDOWS_INDEX).write_bytes((folder / "verdict" / WINDOWS_INDEX).read_bytes())
    inputs = {
        **{"candidate": candidate, "corpus": corpus, "split": folder / "split", "windows": windows},
        **{"bitstreams": sent, "decoded": decoded, "registry": folder / "floors"},
    }
    run_isolated(VERDICT_SCORE, _config(verdict), inputs, scratch / "judged", Isolation())
    return differences(verdict, parse_verdict((scratch / "judged" / VERDICT_FILE).read_bytes()))


def _config(verdict: Verdict) -> dict[str, Any]:
    digests = {f"{name}_digest": verdict.inputs[name] for name in ("corpus", "split", "registry")}
    change = json.loads(verdict.change.model_dump_json())
    return {**digests, "candidate_digest": verdict.candidate, "split": "test", "change": change}


def differences(judged: Verdict, now: Verdict) -> list[str]:
    """Returns the figures of one verdict that lie further from those of another than `SAME`."""
    then = {(c.scope, c.kind, c.name): c.measured for c in judged.criteria}
    found = {(c.scope, c.kind, c.name): c.measured for c in now.criteria}
    told = [
        f"{' '.join(key)}: judged {then.get(key)}, now {found.get(key)}"
        for key in sorted(then.keys() | found.keys())
        if not _same(then.get(key), found.get(key))
    ]
    if now.passed != judged.passed:
        told.append(f"passed: judged {judged.passed}, now {now.passed}: {'; '.join(now.reasons)}")
    return told


def _same(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return abs(first - second) <= SAME * max(1.0, abs(first))
