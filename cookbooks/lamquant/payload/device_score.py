"""Judge a firmware bundle by the files that its compiled C program wrote, and by what a compiler makes of it.

    python -m cookbooks.lamquant.payload.device_score --config FILE

Inputs: ``candidate`` (the bundle), ``checkpoint`` (the hardened one that decodes), ``source`` (the one that
it was made from), ``programs`` (what its C was compiled to), ``windows``, ``corpus``, ``split``,
``bitstreams``, ``decoded`` and ``registry``. Writes ``verdict.json``. Nothing that the bundle says of itself
is believed: sources are compared with the reviewed ones, tables with what the checkpoint gives, budgets are
measured again by the target's compiler, and every sealed recording is coded by the integer twin and by a
build with sanitizers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cookbooks.lamquant.gate.checks as checks
import cookbooks.lamquant.gate.worst as worst
from blut_resources.files.durable import StoreError
from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.registry.verdicts import VERDICT_FILE, Verdict
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.device.bundle import BUILD, check_bundle, read_manifest
from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.gate.device import (
    SANITIZED,
    Reference,
    beyond,
    budget_of,
    differs_from_twin,
    lost_pct,
    noise_ratio_of,
    sanitizer_findings,
)
from cookbooks.lamquant.gate.floors import CORPUS
from cookbooks.lamquant.gate.judgement import Judgement, JudgementSettings, facts_of
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import load_model

FIGURES = (
    *("cr", "worst_cr", "worst_prdn", "worst_r", "cr_loss_pct", "full_profile_pct"),
    *("flash_bytes", "ram_bytes", "stack_bytes"),
)
"""Summary figures that are facts of the artifact."""
BUDGET = ("flash_bytes", "ram_bytes", "stack_bytes")


@dataclass(frozen=True, kw_only=True)
class DeviceSettings(JudgementSettings):
    """Says what the verdict is about, and what the device has room for."""

    max_flash_kib: int = 512
    max_ram_kib: int = 64


def score(settings: DeviceSettings, inputs: dict[str, Path], work: Path) -> Verdict:
    """Returns the verdict on a bundle.

    Raises:
        InputMissing, RegistryInvalid, SplitInvalid, CorpusError, StoreError: there is nothing to judge by.
    """
    digested = ("checkpoint", "source", "bitstreams", "decoded")
    judgement = Judgement("device", settings, inputs, digested=digested, needed=["windows", "programs"])
    bundle, checkpoint = inputs["candidate"], inputs["checkpoint"]
    judgement.note_training(checkpoint)
    judgement.measure_coding(checkpoint, inputs["bitstreams"], inputs["decoded"])
    recordings = [judgement.corpus.open(s).whole() for s in judgement.stems if s in judgement.corpus.entries]
    told: dict[str, Any] = {}
    told["budget"] = _budget(judgement, settings, bundle, work)
    exact = _exact(judgement, bundle, checkpoint, recordings)
    told["coding"] = _losses(judgement, inputs["source"], recordings)
    whole = judgement.measured[CORPUS]
    named = ("cr_loss_pct", "full_profile_pct", *BUDGET)
    return judgement.verdict(
        judgement.summary() | {name: whole.get(name) for name in named},
        synthetic=checks.made_up(judgement.corpus.index, judgement.split, inputs["windows"]),
        details={**told, "n_bit_exact": exact, "model_bytes": checks.total_bytes(bundle)},
    )


def _budget(judgement: Judgement, settings: DeviceSettings, bundle: Path, work: Path) -> dict[str, Any]:
    """Measure again what the encoder takes of its target, and note what is beyond it."""
    try:
        manifest = read_manifest(bundle)
        budget = budget_of(bundle, str(manifest.get("target")), work / "objects")
    except DeviceError as error:
        judgement.note("budgets_unmeasured", [str(error)])
        return {}
    judgement.note("budgets_unmeasured", [])
    judgement.measured[CORPUS] |= {name: getattr(budget, name) for name in BUDGET}
    limits = beyond(budget, settings.max_flash_kib, settings.max_ram_kib)
    judgement.note("device_limits", limits)
    said = [
        f"the bundle says {name} {manifest.get(name)}, the compiler {getattr(budget, name)}"
        for name in BUDGET
        if manifest.get(name) != getattr(budget, name)
    ]
    judgement.note("bundle_mismatches", said)
    shown = ("target", "compiler", "layout", "macs_per_sample", "latency_s", "selftest", "helpers")
    return {name: manifest.get(name) for name in shown}


def _exact(judgement: Judgement, bundle: Path, checkpoint: Path, recordings: list[Recording]) -> int:
    """Note whose bytes are not the twin's and what the sanitizers find; returns of how many all are."""
    try:
        model, layout = load_model(checkpoint), DeviceLayout.from_json(read_manifest(bundle)["layout"])
        judgement.note("bundle_mismatches", check_bundle(bundle, checkpoint))
        if (bundle / BUILD).exists():
            judgement.note(
                "bundle_mismatches", [f"{BUILD} is in the bundle: programs that nobody compiled here"]
            )
        ratio = noise_ratio_of(checkpoint)
        if noise_ratio_of(bundle) != ratio or load_model(bundle).digest != model.digest:
            judgement.note("bundle_mismatches", ["the checkpoint in the bundle is another one"])
        program = judgement.inputs["programs"] / SANITIZED
        found = sanitizer_findings(bundle, program, recordings, ratio)
        judgement.note("sanitizer_findings", found)
    except (DeviceError, LqcError, KeyError) as error:
        judgement.note("bundle_mismatches", [f"the bundle cannot be checked: {error}"])
        return 0
    files = {s: judgement.inputs["bitstreams"] / f"{s}.lqc" for s in judgement.stems}
    problems = [
        differs_from_twin(files[one.stem].read_bytes(), model, layout, one, ratio)
        for one in recordings
        if files[one.stem].is_file()
    ]
    judgement.note("bit_exact", [problem for problem in problems if problem])
    return problems.count(None)


def _losses(judgement: Judgement, source: Path, recordings: list[Recording]) -> dict[str, Any]:
    """Measure the CR that is lost against the source, and what its full profile would gain, at equal PRDN."""
    figures = judgement.findings.figures
    if len(figures) < len(judgement.stems) or not figures:
        return {}
    told: dict[str, Any] = {}
    try:
        model, ratio = load_model(source), noise_ratio_of(source)
        profiles = {name: Reference(model, name, ratio) for name in ("device", "full")}
        ours = sum(figures[one.stem]["bitstream_bytes"] for one in recordings)
        sizes = {
            name: {one.stem: reference.bytes_at(one, figures[one.stem]["prdn"]) for one in recordings}
            for name, reference in profiles.items()
        }
    except LqcError as error:
        return {"not_measured": str(error)}
    judgement.measured[CORPUS]["cr_loss_pct"] = lost_pct(ours, sum(sizes["device"].values()))
    judgement.measured[CORPUS]["full_profile_pct"] = 100 * (ours / sum(sizes["full"].values()) - 1)
    for one in recordings:
        mine = figures[one.stem]["bitstream_bytes"]
        told[one.stem] = {
            "cr_loss_pct": lost_pct(mine, sizes["device"][one.stem]),
            "full_profile_pct": 100 * (mine / sizes["full"][one.stem] - 1),
        }
    return told


def main() -> None:
    """Judge one bundle."""
    with payload_session() as session:
        settings = read_config(session, DeviceSettings)
        session.work.mkdir(parents=True, exist_ok=True)
        with explained(StoreError):
            verdict = score(settings, session.inputs, session.work)
        write_atomic(session.out / VERDICT_FILE, verdict.to_json())
        rows = verdict.details["worst"]
        session.done(
            **facts_of(verdict, *FIGURES),
            grade=verdict.details["grade"],
            n_bit_exact=verdict.details["n_bit_exact"],
            n_recordings=verdict.details["counts"]["measured_recordings"],
            worst_part=worst.sentence(rows[0]) if rows else "",
        )


if __name__ == "__main__":
    main()
