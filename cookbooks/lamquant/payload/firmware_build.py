"""Build a firmware bundle: ``checkpoint`` to C sources, tables and a self test, for what ``corpus`` holds.

The program is compiled for the target, measured by its compiler, and its self test is run: on this machine,
or in an emulator of the target where there is one. Inputs besides: ``windows``, of which a piece of a
validation recording becomes a signal of the self test.
"""

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.refuse import Refused, explained
from blut_resources.payload_kit.session import payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.device.bundle import BUILD, PICTURE, build_bundle
from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.device.fitting import fitted
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.tables import device_tables
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import DESCRIPTION, WEIGHTS, load_model
from cookbooks.lamquant.pictures.flash import draw_flash

_CROP_FRAMES, _CROP_CHANNELS = 6, 2


@dataclass(frozen=True)
class BuildSettings:
    """Holds what `FirmwareBundleConfig` says. What is None or empty follows from the recordings."""

    target: Literal["host", "cortex-m33", "rp2350", "rv32"] = "host"
    channels: Annotated[int, Bounds(1, 255)] | None = None
    rates_hz: list[float] | None = None
    bits: Literal[16, 24] | None = None
    hop: Annotated[int, Bounds(32, 1024)] | None = None
    bins: Annotated[int, Bounds(8, 1024)] | None = None
    max_ram_kib: Annotated[int, Bounds(8)] | None = None

    def layout(self, recordings: list[dict[str, Any]]) -> DeviceLayout:
        """Returns what the encoder is built for: these recordings at least, where nothing else is said."""
        rates = [rate for rate, _ in Counter(float(one["rate_hz"]) for one in recordings).most_common()]
        depth = max(int(one["bit_depth"]) for one in recordings)
        return DeviceLayout.of(
            self.channels or max(len(one["channels"]) for one in recordings),
            tuple(self.rates_hz or rates),
            bits=self.bits or (16 if depth <= 16 else 24),
            hop=self.hop,
            bins=self.bins,
        )


@dataclass(frozen=True)
class BuildInputs:
    """Names the inputs."""

    checkpoint: Path
    corpus: Path
    windows: Path


def crop_of(windows: Path, layout: DeviceLayout) -> NDArray[np.int64]:
    """Returns a piece of a validation recording in its own integers, int64 [C, n]."""
    stream = load_corpus(windows).val[0]
    channels = range(min(_CROP_CHANNELS, layout.channels, len(stream.rms)))
    length = min(_CROP_FRAMES * layout.hop, stream.n_samples)
    ints = [np.rint(stream.cut(c, 0, length) / stream.lsb_uv[c]) for c in channels]
    return np.clip(np.array(ints, np.int64), *layout.limits)


def build(inputs: BuildInputs, settings: BuildSettings, out: Path) -> dict[str, Any]:
    """Write the bundle; returns its manifest."""
    recordings = read_corpus(inputs.corpus)["recordings"]
    if not recordings:
        raise Refused("corpus.json: lists no recording to build an encoder for")
    with explained(LqcError, DeviceError):
        layout = settings.layout(recordings)
        if settings.max_ram_kib:
            layout = fitted(
                load_model(inputs.checkpoint),
                layout,
                settings.target,
                settings.max_ram_kib,
                hops=settings.hop is None and settings.bins is None,
            )
        manifest = build_bundle(
            inputs.checkpoint, out, settings.target, layout, crop_of(inputs.windows, layout)
        )
    # what was compiled names places of this machine, and the gate compiles for itself
    shutil.rmtree(out / BUILD)
    for name in (WEIGHTS, DESCRIPTION):
        shutil.copyfile(inputs.checkpoint / name, out / name)
    return manifest


def drawn(out: Path, manifest: dict[str, Any]) -> bytes:
    """Returns the picture of where flash and RAM go."""
    layout = DeviceLayout.from_json(manifest["layout"])
    tables = device_tables(load_model(out), layout)._asdict()
    sizes = {name: table.nbytes for name, table in tables.items() if table.nbytes >= 256}
    small = sum(table.nbytes for table in tables.values()) - sum(sizes.values())
    code = max(0, manifest["flash_bytes"] - sum(sizes.values()) - small)
    blocks = 2 * layout.channels * layout.hop * (2 if layout.bits == 16 else 3)
    ram = {"samples that wait": blocks, "a coded chunk": layout.buffer_bytes, "the index": layout.index_bytes}
    rest = max(0, manifest["ram_bytes"] - sum(ram.values()))
    flash = {**sizes, "small tables": small, "code": code}
    return draw_flash(manifest["target"], flash, {**ram, "magnitudes and state": rest})


def main() -> None:
    """Run the payload."""
    with payload_session() as session:
        settings, inputs = read_config(session, BuildSettings), read_inputs(session, BuildInputs)
        manifest = build(inputs, settings, session.out)
        write_atomic(session.out / PICTURE, drawn(session.out, manifest))
        session.artifact("flash_map", session.out / PICTURE, "image/png")
        layout = manifest["layout"]
        session.done(
            **{name: layout[name] for name in ("channels", "bits", "hop")},
            **{name: manifest[name] for name in ("target", "compiler", "macs_per_sample", "latency_s")},
            **{name: manifest[name] for name in ("flash_bytes", "ram_bytes", "stack_bytes")},
            selftest_vectors=manifest["selftest_vectors"],
            bit_exact=not manifest["selftest"].startswith("not run"),
        )


if __name__ == "__main__":
    main()
