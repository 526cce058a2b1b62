"""Writes a controller as C for a device: fixed, reviewed sources, and two headers of what was trained.

The program decides byte for byte what `Controller` decides.
"""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.features import LEAST_HZ, log_table
from cookbooks.lamquant.controller.filters import decimation, rhythm_step, sections
from cookbooks.lamquant.controller.integer import sigmoid_table

SOURCES = Path(__file__).with_name("firmware")
CONFIG, WEIGHTS = "lq_control_config.h", "lq_control_weights.h"
_SAID = "/* Generated: export it again rather than edit it. */\n"
_KINDS = {"logistic": 0, "ssm": 1, "lif": 2}


def export_controller(
    controller: Controller, directory: Path, rate_hz: float, channels: int, point: str = "rate"
) -> None:
    """Write the sources of a controller for recordings of one rate and number of channels.

    Raises:
        ValueError: a rate below what can be measured, or not 1 to 255 channels.
    """
    if rate_hz < LEAST_HZ:
        raise ValueError(f"rate_hz={rate_hz:g}: must be at least {LEAST_HZ:g}")
    if not 1 <= channels <= 255:
        raise ValueError(f"channels={channels}: must be from 1 to 255")
    directory.mkdir(parents=True, exist_ok=True)
    for source in sorted(SOURCES.iterdir()):
        if source.suffix in (".c", ".h"):
            shutil.copyfile(source, directory / source.name)
    write_atomic(directory / CONFIG, _config(controller, rate_hz, channels, point).encode())
    write_atomic(directory / WEIGHTS, _weights(controller).encode())


def _config(controller: Controller, rate_hz: float, channels: int, point: str) -> str:
    chosen, arrays = controller.points[point], controller.arrays
    width, depth = _size(controller)
    frame_ms = controller.frame_ms
    units = {"logistic": 2, "ssm": width * depth, "lif": 3 * width + 2}[controller.kind]
    named = {
        "CHANNELS": channels,
        "MILLIHERTZ": round(rate_hz * 1000),
        "FRAME_MS": frame_ms,
        "GROUP": decimation(rate_hz),
        "RHYTHM": rhythm_step(rate_hz),
        **{f"KIND_{name.upper()}": number for name, number in _KINDS.items()},
        "KIND": f"LQ_KIND_{controller.kind.upper()}",
        "WIDTH": width,
        "DEPTH": depth,
        "UNITS": units,
        "CRITICAL_FROM": chosen.critical,
        "MAYBE_FROM": chosen.maybe,
        "INTERESTING_FROM": chosen.interesting,
        "FAILSAFE": round(2 * 256 * math.log2(chosen.failsafe_rms)),
        "HOLD": round(chosen.hold_s * 1000 / frame_ms),
        "PREROLL": round(chosen.preroll_s * 1000 / frame_ms),
        "SECTION_VALUES": _braced(sections(rate_hz)),
        "MEAN_VALUES": _braced(arrays["input.mean"]),
        "GAIN_VALUES": _braced(arrays["input.gain"]),
        "LOG_VALUES": _braced(log_table()),
    }
    lines = "".join(f"#define LQ_{name} {value}\n" for name, value in named.items())
    return f"{_SAID}/* controller {controller.digest} */\n{lines}"


def _size(controller: Controller) -> tuple[int, int]:
    if controller.kind == "ssm":
        depth = sum(name.startswith("ssm.") and name.endswith(".u.bias") for name in controller.arrays)
        return len(controller.arrays["ssm.0.u.bias"]), depth
    return (len(controller.arrays["lif.shift"]) if controller.kind == "lif" else 1), 1


def _weights(controller: Controller) -> str:
    arrays, kind = controller.arrays, controller.kind
    text = f"{_SAID}/* controller {controller.digest} */\n"
    if kind == "ssm":
        return text + _blocks(arrays) + _layer("out", arrays, "ssm.out")
    text += _array("pace", arrays[f"{kind}.pace"])
    if kind == "lif":
        for part in ("first", "recurrent", "second"):
            text += _layer(part, arrays, f"lif.{part}")
        text += _array("shift", arrays["lif.shift"])
    return text + _layer("out", arrays, f"{kind}.out")


def _blocks(arrays: Mapping[str, NDArray[Any]]) -> str:
    depth = sum(name.startswith("ssm.") and name.endswith(".u.bias") for name in arrays)
    width, inputs = arrays["ssm.0.u.weight"].shape
    text = f"#define LQ_WIDEST {max(width, inputs)}\n" + _array("sigmoid", sigmoid_table().astype(np.int32))
    fields = [f"{part}_{what}" for part in "ugkm" for what in ("weight", "scale", "bias")]
    types = ["const int8_t *" if name.endswith("weight") else "const int32_t *" for name in fields]
    members = " ".join(f"{kind}{name};" for kind, name in zip(types, fields, strict=True))
    rows = []
    for block in range(depth):
        for part in "ugkm":
            text += _layer(f"{part}{block}", arrays, f"ssm.{block}.{part}")
        names = (
            (f"&lq_{part}{block}_weight[0][0]", f"lq_{part}{block}_scale", f"lq_{part}{block}_bias")
            for part in "ugkm"
        )
        rows.append("{" + ", ".join(value for three in names for value in three) + "}")
    table = ",\n    ".join(rows)
    return (
        f"{text}typedef struct {{ {members} }} lq_block;\n"
        f"static const lq_block lq_blocks[LQ_DEPTH] = {{\n    {table}\n}};\n"
    )


def _layer(name: str, arrays: Mapping[str, NDArray[Any]], source: str) -> str:
    parts = ("weight", "scale") if source == "lif.recurrent" else ("weight", "scale", "bias")
    return "".join(_array(f"{name}_{part}", arrays[f"{source}.{part}"]) for part in parts)


def _array(name: str, values: NDArray[Any]) -> str:
    shape = "".join(f"[{n}]" for n in values.shape)
    return f"static const {values.dtype.name}_t lq_{name}{shape} = {_braced(values)};\n"


def _braced(values: NDArray[Any]) -> str:
    if values.ndim == 0:
        return str(int(values))
    return "{" + ", ".join(_braced(one) for one in values) + "}"
