"""Builds a firmware bundle from a checkpoint, checks one, and encodes with the program that it compiles to.

A bundle is a directory: the fixed sources, the three generated headers, ``manifest.json`` with digests,
layout and what was measured, and the compiled programs in ``build/``.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.device.compiling import compile_program, compiler_version, measure_budget, run_program
from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.tables import device_tables
from cookbooks.lamquant.device.toolchains import TOOLCHAINS, Toolchain, toolchain_of
from cookbooks.lamquant.device.twin import check_limits, check_samples, ratio_code
from cookbooks.lamquant.device.vectors import VECTORS, selftest_vectors, vectors_header
from cookbooks.lamquant.device.weights import CONFIG, TABLES, config_header, weights_header
from cookbooks.lamquant.lqc.model import DESCRIPTION, WEIGHTS, Model, load_model

MANIFEST, SCHEMA = "manifest.json", "blut.firmware_bundle.v1"
BUILD, ENCODE, SELFTEST = "build", "encode", "selftest"
PICTURE = "flash.png"
_BESIDE = {MANIFEST, VECTORS, PICTURE, BUILD, WEIGHTS, DESCRIPTION}
"""What lies in a bundle besides its sources."""


def firmware_sources() -> dict[str, bytes]:
    """Returns the fixed sources by name, as they stand in the package."""
    folder = files("cookbooks.lamquant.device") / "firmware"
    return {one.name: one.read_bytes() for one in sorted(folder.iterdir(), key=lambda one: one.name)}


def build_bundle(
    model_dir: str | Path,
    out: str | Path,
    target: str,
    layout: DeviceLayout,
    crop: NDArray[np.integer] | None = None,
) -> dict[str, Any]:
    """Build the bundle of a checkpoint, test it, and return its manifest.

    Args:
        model_dir: the checkpoint.
        out: where it goes; what stands there is replaced.
        target: ``host``, ``cortex-m33``, ``rp2350`` or ``rv32``.
        layout: what it is built for.
        crop: a piece of a recording int [C, n] for the self test, beside the made signals.

    Raises:
        DeviceError: a compiler is missing or refuses, the encoder needs a library, or the self test fails.
        LqcError: the checkpoint cannot be used.
    """
    chain, model, out = toolchain_of(target), load_model(model_dir), Path(out)
    shutil.rmtree(out, ignore_errors=True)
    vectors = selftest_vectors(model, layout, crop)
    every = write_sources(model, layout, out, {VECTORS: vectors_header(vectors, layout).encode()})
    budget = measure_budget(chain, out, out / BUILD / "objects")
    compile_program(chain, out, "main.c", out / BUILD / ENCODE)
    manifest = {
        "schema": SCHEMA,
        "weights_sha256": model.description["weights_sha256"],
        "target": target,
        "layout": layout.to_json(),
        "compiler": compiler_version(chain),
        "files": {name: hashlib.sha256(text).hexdigest() for name, text in every.items()},
        "tables_crc": f"{device_tables(model, layout).crc():08x}",
        **budget.to_json(),
        **_cost(model, layout, vectors[-1].made.asked / vectors[-1].samples.size),
        "selftest_vectors": len(vectors),
        "selftest": _selftest(chain, out),
        "sanitizer_findings": _sanitized(out),
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return manifest


def write_sources(
    model: Model, layout: DeviceLayout, out: Path, beside: Mapping[str, bytes] = MappingProxyType({})
) -> dict[str, bytes]:
    """Write the fixed sources, the generated headers and files ``beside`` them; returns all."""
    every = firmware_sources() | _generated(model, layout) | dict(beside)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in every.items():
        (out / name).write_bytes(text)
    return every


def _generated(model: Model, layout: DeviceLayout) -> dict[str, bytes]:
    sha256 = str(model.description["weights_sha256"])
    tables = device_tables(model, layout)
    return {
        CONFIG: config_header(layout, model).encode(),
        TABLES: weights_header(tables, layout, sha256).encode(),
    }


def macs_per_sample(model: Model, layout: DeviceLayout, asked: float = 1.0) -> float:
    """Returns multiplications a sample: twice the transform, the line through a block, and the network for
    the share ``asked`` of the coefficients.
    """
    hidden = len(model.entropy.net.b2)
    stages = layout.hop.bit_length() - 2
    # window, two turns, the FFT's stages; and all of it again, since the offset comes before the first plane
    transform = 2 * (2 + 4 + stages)
    network = (15 + hidden + 1) * hidden
    # into steps, and error and price of the up to three values that are tried
    chosen = 1 + 3 * 2
    return transform + 4 + layout.bins / layout.hop * (chosen + asked * network)


def _cost(model: Model, layout: DeviceLayout, asked: float) -> dict[str, Any]:
    return {
        "macs_per_sample": macs_per_sample(model, layout),
        "macs_per_sample_of_noise": macs_per_sample(model, layout, asked),
        "latency_s": layout.latency_s,
    }


def _selftest(chain: Toolchain, out: Path) -> str:
    """Returns what the self test said; of a target that cannot be run here, why not."""
    program = compile_program(chain, out, "lq_selftest.c", out / BUILD / SELFTEST)
    if why := chain.why_not():
        return f"not run: {why}"
    return run_program(chain, program).stderr.decode().strip()


def _sanitized(out: Path) -> int:
    """Returns findings of the sanitizers in the self test on this machine: 0, for one is a refusal.

    Raises:
        DeviceError: there is one.
    """
    host = toolchain_of("host")
    program = compile_program(host, out, "lq_selftest.c", out / BUILD / "sanitized", sanitized=True)
    run_program(host, program)
    return 0


def read_manifest(bundle: str | Path) -> dict[str, Any]:
    """Returns the manifest of a bundle.

    Raises:
        DeviceError: there is none, or it is of another version.
    """
    try:
        manifest = json.loads((Path(bundle) / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise DeviceError(f"{bundle}: not a firmware bundle: {error}: build it again") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DeviceError(f"{bundle}: {MANIFEST} has no schema {SCHEMA}: build it again")
    return manifest


def check_bundle(bundle: str | Path, model_dir: str | Path) -> list[str]:
    """Returns in sentences how a bundle differs from what its layout and this checkpoint give, if it does.

    Sources are compared with those of the package, headers with what is generated now: digests in the
    manifest are not believed.

    Raises:
        DeviceError: it is not a bundle.
    """
    bundle, manifest = Path(bundle), read_manifest(bundle)
    model, layout = load_model(model_dir), DeviceLayout.from_json(manifest["layout"])
    found = list[str]()
    if manifest.get("weights_sha256") != model.description["weights_sha256"]:
        found.append("the bundle was built from another checkpoint")
    every = firmware_sources() | _generated(model, layout)
    for name, text in every.items():
        try:
            same = (bundle / name).read_bytes() == text
        except OSError:
            same = False
        if not same:
            what = "what the checkpoint gives" if name in (CONFIG, TABLES) else "the reviewed source"
            found.append(f"{name} is not {what}")
    others = {path.name for path in bundle.iterdir()} - every.keys() - _BESIDE
    return found + [f"{name} is in the bundle, and nobody reviewed it" for name in sorted(others)]


def compile_bundle(bundle: str | Path, program: str | Path, *, sanitized: bool = False) -> Path:
    """Compile the encoder of a bundle for this machine from its sources, whatever was built before.

    Raises:
        DeviceError: the compiler is missing or refuses.
    """
    return compile_program(toolchain_of("host"), Path(bundle), "main.c", Path(program), sanitized=sanitized)


def encode_with(
    bundle: str | Path,
    ints: NDArray[np.integer],
    rate_hz: float,
    noise_ratio: float,
    limits: tuple[int, int] | None = None,
    *,
    program: Path | None = None,
) -> bytes:
    """Encode samples int [C, n] with the compiled program of a bundle; returns the file that it wrote.

    Args:
        bundle: the bundle; its target's emulator runs it where it is not for this machine.
        ints: the converter's values.
        rate_hz: one of the layout's rates.
        noise_ratio: share of a channel's RMS without drift that the error is to have.
        limits: least and largest value of the converter; those of its bits if None.
        program: one that ``compile_bundle`` made, instead of that which was built with the bundle.

    Raises:
        DeviceError: it cannot be run, or fails.
        InputError: samples or a rate that it was not built for.
    """
    manifest = read_manifest(bundle)
    layout = DeviceLayout.from_json(manifest["layout"])
    x, (low, high) = check_samples(layout, ints), check_limits(layout, limits)
    setup = [len(x), layout.rate_number(rate_hz), low, high, ratio_code(noise_ratio)]
    given = np.array(setup, "<i4").tobytes() + np.ascontiguousarray(x.T).astype("<i4").tobytes()
    chain = TOOLCHAINS["host"] if program else TOOLCHAINS[manifest["target"]]
    return run_program(chain, program or Path(bundle) / BUILD / ENCODE, given).stdout
