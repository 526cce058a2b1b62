"""Every channel and every stretch is judged by the shipped floors: what a mean over all would hide.

The decoded signals are made, with a codec's error of 5 percent and then one fault each, so that each test
knows where its fault is.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cookbooks.lamquant.gate.worst as worst
from blut_resources.registry.verdicts import Criterion, Floor, judge
from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.gate.floors import FloorRegistryFile, load_registry, required_floors
from cookbooks.lamquant.gate.measure import Part, measure_recording, worst_figures
from cookbooks.lamquant.gate.stretches import measure_stretches
from tests.cookbooks.lamquant.codec_support import eeg_like

SHIPPED = Path(__file__).parents[3] / "cookbooks" / "lamquant" / "configs" / "pccp_registry.yaml"
RATE = 256
SECONDS = 80
Digital = np.ndarray


@pytest.fixture(scope="module")
def original() -> Digital:
    """EEG-like integers of 19 channels, 0.1 uV each; the first is a hundred times as loud."""
    digital = eeg_like(19, SECONDS, RATE, seed=11)
    digital[0] *= 100
    return digital


@pytest.fixture(scope="module")
def decoded(original: Digital) -> Digital:
    """What a codec with an error of 5 percent of each channel makes of it."""
    noise = np.random.default_rng(3).normal(size=original.shape)
    # an error spread as the signal's own spectrum is, as that of a codec in each band
    noise = np.stack([np.convolve(row, np.ones(16) / 4, "same") for row in noise])
    return original + np.rint(0.05 * original.std(axis=1, keepdims=True) * noise).astype(np.int32)


def judged(
    original: Digital,
    decoded: Digital,
    tmp_path: Path,
    *,
    scale: float = 0.1,
    registry: FloorRegistryFile | None = None,
) -> tuple[dict[str, Criterion], list[worst.Row]]:
    """Criteria by name, and every figure beside its floor, by the shipped floors."""
    n = len(original)
    names = [f"ch{i}" for i in range(n)]
    scales, offsets = np.full(n, scale), np.zeros(n)
    recording = Recording("rec", "anna", names, RATE, original.astype(np.int32), scales, offsets)
    bitstream = tmp_path / "rec.lqc"
    bitstream.write_bytes(bytes(original.size // 10))
    entry = {"bit_depth": 16, "synthetic": False}
    floors = required_floors(registry or load_registry(SHIPPED), ["rec"])
    figures, parts = measure_recording(recording, decoded, entry, bitstream, 2.0)
    criteria = judge({"rec": figures}, [floor for floor in floors if floor.scope == "rec"])
    return {c.name: c for c in criteria}, worst.rows_of("rec", figures, parts, floors)


def failed(criteria: dict[str, Criterion]) -> set[str]:
    return {name for name, criterion in criteria.items() if not criterion.passed}


def test_a_codec_that_errs_by_five_percent_passes(original, decoded, tmp_path):
    criteria, rows = judged(original, decoded, tmp_path)
    assert failed(criteria) == set()
    assert rows[0]["margin"] > 0 and len({row["channel"] for row in rows}) == 20


def noise_beside_a_loud_channel(decoded: Digital) -> None:
    decoded[1:] = np.random.default_rng(1).permuted(decoded[1:], axis=1)


def zeros_beside_a_loud_channel(decoded: Digital) -> None:
    decoded[7] = 0


def erased(decoded: Digital) -> None:
    decoded[5, 30 * RATE : 32 * RATE] = round(decoded[5].mean())


def held(decoded: Digital) -> None:
    decoded[5, 30 * RATE : 31 * RATE] = decoded[5, 30 * RATE]


def burst(decoded: Digital) -> None:
    level = decoded[5].std()
    decoded[5, 30 * RATE : 31 * RATE] += np.rint(np.random.default_rng(1).normal(0, level, RATE)).astype(int)


def end_cut(decoded: Digital) -> None:
    decoded[5, -RATE // 2 :] = 0


def flipped(decoded: Digital) -> None:
    decoded[5] = 2 * round(decoded[5].mean()) - decoded[5]


def swapped(decoded: Digital) -> None:
    decoded[[5, 6]] = decoded[[6, 5]]


def delayed(decoded: Digital) -> None:
    decoded[5] = np.roll(decoded[5], 3)


def shifted(decoded: Digital) -> None:
    decoded[5] += round(0.5 * decoded[5].std())


def clipped(decoded: Digital) -> None:
    mean, level = decoded[5].mean(), decoded[5].std()
    decoded[5] = np.clip(decoded[5], mean - 1.5 * level, mean + 1.5 * level)


@pytest.mark.parametrize(
    ("fault", "channel", "by"),
    [
        (noise_beside_a_loud_channel, None, {"channel_prdn", "channel_r", "stretch_prdn"}),
        (zeros_beside_a_loud_channel, "ch7", {"channel_prdn", "channel_r", "stretch_r"}),
        (erased, "ch5", {"stretch_prdn", "stretch_r"}),
        (held, "ch5", {"stretch_prdn", "stretch_r"}),
        (burst, "ch5", {"stretch_prdn", "stretch_r"}),
        (end_cut, "ch5", {"stretch_prdn", "stretch_r"}),
        (flipped, "ch5", {"channel_prdn", "channel_r", "stretch_prdn"}),
        (swapped, None, {"channel_prdn", "channel_r", "stretch_prdn"}),
        (delayed, "ch5", {"channel_beta_prd"}),
        (shifted, "ch5", {"channel_prdn", "stretch_prdn"}),
        (clipped, "ch5", {"stretch_prdn", "stretch_r"}),
    ],
)
def test_a_fault_in_one_channel_fails_and_is_named(original, decoded, tmp_path, fault, channel, by):
    spoilt = decoded.copy()
    fault(spoilt)
    criteria, rows = judged(original, spoilt, tmp_path)
    assert by <= failed(criteria)
    # the loud channel carries the recording's own figures through
    assert failed(criteria).isdisjoint({"r", "prdn"})
    assert channel in (None, rows[0]["channel"])


def test_the_worst_stretch_is_named_with_patient_channel_second_figure_floor_and_margin(
    original, decoded, tmp_path
):
    spoilt = decoded.copy()
    erased(spoilt)
    _, rows = judged(original, spoilt, tmp_path)
    row = next(row for row in rows if row["figure"] == "stretch_prdn")
    assert (row["from_s"], row["to_s"]) == (30, 32) and row["margin"] < 0
    assert worst.sentence(row).startswith(
        "patient anna, recording rec, channel ch5, second 30 to 32: stretch_prdn is 1"
    )
    assert "required <= 35 (margin -2" in worst.sentence(row)


@pytest.mark.parametrize("scale", [1e-9, 1e-160, 1e160, np.array([0.1, 10.0])])
def test_the_unit_decides_nothing(original, decoded, tmp_path, scale):
    """1e-9 uV are no silence, and energies that overflow or vanish in float64 are no perfection."""
    passed, _ = judged(original[1:3], decoded[1:3], tmp_path, scale=scale)
    assert failed(passed) == set()
    noise = np.random.default_rng(1).permuted(decoded[1:3], axis=1)
    criteria, _ = judged(original[1:3], noise, tmp_path, scale=scale)
    assert {"r", "prdn", "channel_prdn", "channel_r", "stretch_prdn"} <= failed(criteria)


def test_a_recording_of_zeros_is_not_measurable_even_if_decoded_exactly(tmp_path):
    zeros = np.zeros((2, 10 * RATE), np.int32)
    criteria, rows = judged(zeros, zeros, tmp_path)
    unmeasured = {"r", "prdn", "channel_r", "channel_prdn", "stretch_r", "stretch_prdn", "alpha_prd"}
    assert all(criteria[name].measured is None for name in unmeasured)
    assert unmeasured <= failed(criteria) and rows[0]["measured"] is None


def test_an_electrode_that_is_off_passes_only_if_it_is_decoded_as_flat(original, decoded, tmp_path):
    original, decoded = original[1:4].copy(), decoded[1:4].copy()
    original[0], decoded[0] = 700, 700 + 20  # the whole channel; 50 units are the bound of 5 uV
    original[1, 20 * RATE : 30 * RATE] = -40  # ten seconds
    decoded[1, 20 * RATE : 30 * RATE] = -40
    criteria, _ = judged(original, decoded, tmp_path)
    assert failed(criteria) == set() and criteria["flat_uv"].measured == pytest.approx(2)
    for at, by in ((np.s_[0, 123], 31), (np.s_[1, 25 * RATE], 51)):
        spoilt = decoded.copy()
        spoilt[at] += by
        criteria, rows = judged(original, spoilt, tmp_path)
        assert failed(criteria) == {"flat_uv"} and rows[0]["figure"] == "flat_uv"


def test_a_stretch_that_moves_by_one_unit_is_not_flat(original, decoded, tmp_path):
    original, decoded = original[1:2].copy(), decoded[1:2].copy()
    original[0, 20 * RATE : 30 * RATE] = decoded[0, 20 * RATE : 30 * RATE] = 5
    original[0, 25 * RATE] = 6
    criteria, rows = judged(original, decoded, tmp_path)
    assert {"stretch_prdn", "stretch_r"} <= failed(criteria)
    assert (rows[0]["figure"], rows[0]["measured"]) == ("stretch_r", None)


@pytest.mark.parametrize("samples", [1, 2, 3, 7, 64, 1000])
def test_every_sample_lies_in_a_window_and_every_step_inside_one(samples):
    x = np.arange(100.0)
    found = measure_stretches(np.arange(100), x, x, max(2, samples))
    ends = found.starts + found.samples
    assert found.starts[0] == 0 and ends[-1] == 100
    assert (found.starts[1:] < ends[:-1]).all()


def test_figures_of_a_window_are_those_of_its_samples(original, decoded):
    x, y = original[2] * 0.1, decoded[2] * 0.1
    found = measure_stretches(original[2], x, y, 512)
    for index in (0, 17, len(found.starts) - 1):
        part = slice(found.starts[index], found.starts[index] + 512)
        about_mean = np.linalg.norm(x[part] - np.average(x[part]))
        assert found.prdn[index] == pytest.approx(
            100 * np.linalg.norm(x[part] - y[part]) / about_mean, rel=1e-9
        )
        assert found.r[index] == pytest.approx(np.corrcoef(x[part], y[part])[0, 1], rel=1e-9)


def test_one_part_without_a_number_outweighs_all_others():
    parts = [Part("channel_r", value, f"ch{i}") for i, value in enumerate((0.99, None, 0.5))]
    assert worst_figures(parts)["channel_r"] is None
    assert worst_figures(parts[::2])["channel_r"] == 0.5
    assert worst_figures([])["stretch_prdn"] is None


@pytest.mark.parametrize(
    ("name", "op", "floor", "measured", "left"),
    [
        ("channel_prdn", "<=", 20.0, 15.0, 25.0),
        ("stretch_r", ">=", 0.9, 0.95, 50.0),
        ("cr", ">=", 10.0, 5.0, -50.0),
        ("flat_uv", "<=", 0.0, 0.0, 0.0),
        ("r", ">=", 1.0, 0.5, -50.0),
        ("r", ">=", 0.9, None, None),
    ],
)
def test_a_margin_is_the_share_of_what_is_allowed_that_is_left(name, op, floor, measured, left):
    criterion = Floor(kind="x", name=name, scope="s", op=op, floor=floor)
    assert worst.margin(criterion, measured) == pytest.approx(left)


# registries of before


def old(**changes: Any) -> FloorRegistryFile:
    document = {
        "schema": "blut.floor_registry.v1",
        "version": "1.0.0",
        "model": "m",
        "change_classes": ["A.1"],
        "split": "test",
        "each_recording": {"min_r": 0.98, "max_prdn": 18.0, "min_cr": 15.0},
        "bands": {"alpha": {"max_prd": 30.0, "min_r": 0.75}},
        "minima": {"recordings": 1, "patients": 1, "samples": 1},
    }
    return FloorRegistryFile.model_validate(document | changes)


def limits(registry: FloorRegistryFile) -> dict[str, float]:
    floors = required_floors(registry, ["rec"])
    return {f.name: f.floor for f in floors if f.kind in ("channel", "stretch")}


def test_a_registry_without_channel_and_stretch_floors_gets_them_from_those_of_the_recording():
    assert limits(old()) == {
        "channel_r": 0.98,
        "channel_prdn": 18,
        "channel_alpha_prd": 30,
        "channel_alpha_r": 0.75,
        "stretch_r": pytest.approx(0.92),
        "stretch_prdn": 36,
        "flat_uv": 5,
    }


def test_the_loosest_registry_of_before_passes_no_erased_stretch(original, decoded, tmp_path):
    registry = old(each_recording={"min_r": 0.001, "max_prdn": 100.0, "min_cr": 0.001})
    assert limits(registry)["stretch_prdn"] == 95
    spoilt = decoded.copy()
    erased(spoilt)
    criteria, _ = judged(original, spoilt, tmp_path, registry=registry)
    assert {"stretch_prdn", "stretch_r"} <= failed(criteria)


@pytest.mark.parametrize(
    "section",
    [
        {"each_stretch": {"seconds": 2.0, "min_r": 0.9, "max_prdn": 100.0, "max_flat_uv": 5.0}},
        {"each_stretch": {"seconds": 0.0, "min_r": 0.9, "max_prdn": 30.0, "max_flat_uv": 5.0}},
        {"each_stretch": {"seconds": 2.0, "min_r": 0.9, "max_prdn": 30.0}},
        {"each_stretch": {"seconds": 2.0, "min_r": 0.9, "max_prdn": 30.0, "max_flat_uv": 1e6}},
        {"each_channel": {"min_r": 0.9}},
        {"each_channel": {"min_r": 0.9, "max_prdn": 30.0, "bands": {"mu": {"max_prd": 1.0, "min_r": 0.5}}}},
    ],
)
def test_channel_and_stretch_floors_that_judge_nothing_are_refused(section: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(section))):
        old(**section)


def test_a_band_limit_of_a_channel_may_differ_from_that_of_the_recording():
    bands = {"alpha": {"max_prd": 55.0, "min_r": 0.5}}
    registry = old(each_channel={"min_r": 0.9, "max_prdn": 30.0, "bands": bands})
    assert limits(registry)["channel_alpha_prd"] == 55
    assert next(f.floor for f in required_floors(registry, ["rec"]) if f.name == "alpha_prd") == 30
