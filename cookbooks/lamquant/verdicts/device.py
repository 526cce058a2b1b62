"""Judges a firmware bundle: the encoding process is its compiled C program."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest, TrainingWindows
from cookbooks.lamquant.artifacts.firmware import DeviceVerdict, FirmwareBundle, HardenedCkpt
from cookbooks.lamquant.artifacts.training import JointCkpt
from cookbooks.lamquant.artifacts.verdicts import FloorRegistry
from cookbooks.lamquant.configs.firmware import DeviceVerdictConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.device.toolchains import TOOLCHAINS
from cookbooks.lamquant.firmware import SOURCES
from cookbooks.lamquant.gate.page import shown
from cookbooks.lamquant.verdicts.coding import (
    CODEC_DECODE,
    DISTRIBUTIONS,
    attempt,
    decode_blind,
    judged_by,
    keep_judged,
    tries,
)
from cookbooks.lamquant.verdicts.record import registered_with

FIRMWARE_COMPILE = "cookbooks.lamquant.payload.firmware_compile"
FIRMWARE_ENCODE = "cookbooks.lamquant.payload.firmware_encode"
DEVICE_SCORE = "cookbooks.lamquant.payload.device_score"
PLACES = ("/usr/bin", "/usr/include", "/usr/arm-none-eabi", "/usr/riscv64-unknown-elf")
"""Where a distribution keeps compilers and their headers, beside libraries."""
LIMITS = ("max_flash_kib", "max_ram_kib")


@stage_asset(
    cookbook="lamquant",
    group="verdict",
    on_result=registered_with("cr", "worst_prdn", "cr_loss_pct", "flash_bytes", "ram_bytes"),
    show=shown,
    payloads=[FIRMWARE_COMPILE, FIRMWARE_ENCODE, CODEC_DECODE, DEVICE_SCORE],
    data=[f"../{SOURCES}"],
    headline=["passed", "worst_cr", "worst_prdn", "cr_loss_pct", "flash_bytes", "ram_bytes"],
    kinds={"json"},
    distributions=DISTRIBUTIONS,
    footprint=Footprint(cpus=1),
)
def device_verdict(
    stage: Stage,
    firmware_bundle: FirmwareBundle,
    hardened_checkpoint: HardenedCkpt,
    joint_checkpoint: JointCkpt,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    training_windows: TrainingWindows,
    device_floors: FloorRegistry,
    config: DeviceVerdictConfig,
) -> Steps[DeviceVerdict]:
    """The gate's judgement of one firmware bundle, on files that its C program wrote of patients never seen.

    One process compiles the bundle's sources, one lets that program encode, one decodes with the hardened
    checkpoint, one compares: signals, every byte with the integer twin, sources with the
    reviewed ones, tables with the checkpoint, budgets with what the target's compiler says now, and the CR
    with the joint checkpoint's at equal error.
    """
    checkpoint, windows = stage.open(hardened_checkpoint), stage.open(training_windows)
    sealed = {**corpus_inputs(stage, lma_corpus), "split": stage.open(split_manifest), "windows": windows}
    compiling = Isolation(read=compiler_places(firmware_bundle.target))
    with tempfile.TemporaryDirectory(dir=stage.work) as scratch:
        coded = yield from _coded(stage, stage.open(firmware_bundle), checkpoint, sealed, Path(scratch))
        judged = {
            "candidate": firmware_bundle,
            "checkpoint": hardened_checkpoint,
            "source": joint_checkpoint,
            "corpus": lma_corpus,
            "split": split_manifest,
            "registry": device_floors,
        }
        facts = yield from stage.run(
            DEVICE_SCORE,
            config={
                "digests": {name: artifact.digest for name, artifact in judged.items()},
                "tries": tries(stage, firmware_bundle, lma_corpus, split_manifest, device_floors),
                **judged_by(stage, config),
                "change": {k: v for k, v in config.fingerprinted().items() if k not in LIMITS},
                **{name: getattr(config, name) for name in LIMITS},
            },
            inputs={**{name: stage.open(one) for name, one in judged.items()}, **sealed, **coded},
            isolated=compiling,
        )
        keep_judged(stage, coded["bitstreams"], windows)
    return DeviceVerdict(**facts)


def _coded(
    stage: Stage, bundle: Path, checkpoint: Path, sealed: dict[str, Path], scratch: Path
) -> Steps[Any]:
    """Let the compiled program encode the sealed recordings, and another process decode what it wrote."""
    programs, bitstreams = scratch / "programs", scratch / "bitstreams"
    compiling = Isolation(read=compiler_places("host"), hidden=tuple(sealed.values()))
    yield from attempt(stage, FIRMWARE_COMPILE, {}, {"bundle": bundle}, programs, compiling)
    seen = {
        "bundle": bundle,
        "programs": programs,
        **{name: path for name, path in sealed.items() if name != "windows"},
    }
    yield from attempt(stage, FIRMWARE_ENCODE, {"split": "test"}, seen, bitstreams, Isolation())
    decoded = yield from decode_blind(stage, checkpoint, bitstreams, sealed, scratch)
    return {"programs": programs, "bitstreams": bitstreams, "decoded": decoded}


def compiler_places(target: str) -> tuple[Path, ...]:
    """Returns what a process must be able to read that compiles for a target and runs what it made."""
    chain, found = TOOLCHAINS[target], {Path(place) for place in PLACES}
    for tool in ("gcc", chain.compiler, f"{chain.prefix}nm", f"{chain.prefix}size", *chain.emulator[:1]):
        if place := shutil.which(tool):
            found |= {Path(place).parent, Path(place).resolve().parent}
    return tuple(sorted(found))
