"""Writes the two headers that are generated: ``lq_config.h`` of a layout, ``lq_weights.h`` of a model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.device.layout import DeviceLayout, rate_bytes
from cookbooks.lamquant.device.tables import DeviceTables, price_of_bit
from cookbooks.lamquant.lqc.levels import duration_of, positions
from cookbooks.lamquant.lqc.model import Model

CONFIG, TABLES = "lq_config.h", "lq_weights.h"
_SAID = "/* Generated: build it again rather than edit it. */\n"
_SHAPES = {
    "digest": "[8]",
    "w1": "[LQ_INPUTS][LQ_HIDDEN]",
    "w2": "[LQ_HIDDEN][LQ_HIDDEN]",
    "w3": "[LQ_HIDDEN]",
    "position": "[LQ_POSITIONS][LQ_HIDDEN]",
    "level": "[LQ_LEVELS][LQ_HIDDEN]",
    "duration": "[LQ_DURATIONS][LQ_HIDDEN]",
    "b2": "[LQ_HIDDEN]",
    "b3": "",
    "starts": "[LQ_TABLES][LQ_TOKENS]",
    "price": "[LQ_TABLES][LQ_TOKENS]",
    "window": "[LQ_HOP]",
    "twiddles": "[LQ_HOP / 2][2]",
    "angles": "[LQ_HOP / 4][2]",
    "logs": "[32]",
    "lg_table": "[33]",
    "powers": "[32]",
    "shares": "[64]",
}


def config_header(layout: DeviceLayout, model: Model) -> str:
    """Returns the text of ``lq_config.h``."""
    named = {
        "CHANNELS": layout.channels,
        "LOG2_HOP": layout.hop.bit_length() - 1,
        "BINS": layout.bins,
        "BITS": layout.bits,
        "FRAMES": layout.frames,
        "BUFFER": layout.buffer_bytes,
        "INDEX": layout.index_bytes,
        "RATES": len(layout.rates_hz),
        "HIDDEN": len(model.entropy.net.b2),
        "LAMBDA": price_of_bit(model),
        "LEAST_LEVEL": model.levels[0],
        "MOST_LEVEL": model.levels[1],
    }
    return _SAID + "".join(f"#define LQ_{name} {value}\n" for name, value in named.items())


def weights_header(tables: DeviceTables, layout: DeviceLayout, sha256: str) -> str:
    """Returns the text of ``lq_weights.h``; ``sha256`` is the whole digest of the model's weights."""
    crc = f"const uint32_t lq_weights_crc = {tables.crc():#010x};\n"
    parts = [_SAID, f"/* weights_sha256 {sha256} */\n", crc]
    for name, values in tables._asdict().items():
        parts.append(f"const {values.dtype.name}_t lq_{name}{_SHAPES[name]} = {_braced(values, name)};\n")
    rates = ",\n".join(_rate(layout, rate) for rate in layout.rates_hz)
    parts.append(f"const lq_rate lq_rates[LQ_RATES] = {{\n{rates},\n}};\n")
    return "".join(parts)


def _rate(layout: DeviceLayout, rate_hz: float) -> str:
    code = rate_bytes(rate_hz)
    bins = ", ".join(str(value) for value in positions(layout.hop, rate_hz)[: layout.bins])
    return f"{{{len(code)}, {{{', '.join(map(str, code))}}}, {duration_of(layout.hop, rate_hz)}, {{{bins}}}}}"


def _braced(values: NDArray[Any], name: str) -> str:
    if not _SHAPES[name]:
        return str(int(values[0]))
    if values.ndim == 1:
        return "{\n" + "\n".join(_lines(values)) + "\n}"
    return "{\n" + ",\n".join(_braced(row, name) for row in values) + "\n}"


def _lines(values: NDArray[Any]) -> Iterator[str]:
    for at in range(0, len(values), 16):
        yield ", ".join(str(int(value)) for value in values[at : at + 16]) + ","


def crop_lines(crop: NDArray[np.int32]) -> str:
    """Returns samples [C, n] as C lists them: one of each channel for each moment."""
    return "{\n" + "\n".join(_lines(crop.T.ravel())) + "\n}"
