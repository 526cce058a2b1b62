"""LQS figures against values worked out by hand or by an independent formula."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cookbooks.lamquant.gate import metrics


def sine(hz: float, rate: float, seconds: float, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


def test_prd_is_the_residual_over_the_raw_energy_in_percent():
    # residual energy 1, signal energy 9 + 16
    assert metrics.prd([[3, 4]], [[3, 3]]) == pytest.approx(20.0, rel=1e-15)


def test_prdn_removes_the_mean_of_each_original_channel_from_the_denominator_only():
    # about the mean 3.5 the energy is 0.5, so sqrt(1 / 0.5)
    assert metrics.prdn([[3, 4]], [[3, 3]]) == pytest.approx(100 * math.sqrt(2), rel=1e-15)
    # two channels at -100 and +100 with energy 2 each about their own means; a common error of 1
    x = np.array([[-101.0, -99.0], [99.0, 101.0]])
    assert metrics.prdn(x, x + 1) == pytest.approx(100.0, rel=1e-12)
    assert metrics.prd(x, x + 1) < 1.01


def test_r_is_pearson_over_all_channels_as_one_stream():
    # means 2 and 7/3; covariance sum 3, variance sums 2 and 14/3
    assert metrics.pearson([[1, 2, 3]], [[1, 2, 4]]) == pytest.approx(3 / math.sqrt(2 * 14 / 3), rel=1e-14)
    x, y = np.array([[1, 2], [5, 9]]), np.array([[1, 3], [5, 8]])
    assert metrics.pearson(x, y) == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1], rel=1e-13)


GOLDEN_PRD, GOLDEN_SNR = 4.408641691530864, 27.11390393281527


def test_prd_and_snr_are_the_published_golden_pair_within_1e_9():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(3, 700)).cumsum(axis=1) + 40
    for error in (-x, rng.normal(size=x.shape)):
        error = error * np.linalg.norm(x) / np.linalg.norm(error) * GOLDEN_PRD / 100
        measured = metrics.measure(x, x + error, 250)
        assert measured.prd == pytest.approx(GOLDEN_PRD, abs=1e-9)
        assert measured.snr_db == pytest.approx(GOLDEN_SNR, abs=1e-9)


def test_snr_is_minus_twenty_log_of_prd_and_stops_at_120_db():
    x = np.ones((1, 1000))
    assert metrics.snr_db([[3, 4]], [[3, 3]]) == pytest.approx(10 * math.log10(25), rel=1e-14)
    assert metrics.snr_db(x, x) == 120.0
    assert metrics.snr_db(x, x * (1 + 1e-9)) == 120.0


def test_a_signal_without_energy_cannot_be_measured_even_if_it_stays_silent():
    silence, level, tone = np.zeros((2, 10)), np.full((2, 10), 0.5), sine(5, 100, 1)[None]
    for decoded in (silence, level):
        assert metrics.measure(silence, decoded, 100).prd is None
        assert metrics.measure(silence, decoded, 100).snr_db is None
        # a level has energy, and nothing about its mean
        assert (metrics.prdn(level, decoded), metrics.pearson(level, decoded)) == (None, None)
    assert (metrics.prd(level, level), metrics.snr_db(level, level)) == (0.0, 120.0)
    assert metrics.pearson(tone, np.ones((1, 100))) is None
    assert metrics.prdn(tone, np.zeros((1, 100))) == pytest.approx(100)


def test_what_rounding_leaves_of_a_constant_is_no_energy():
    level = np.full((1, 1000), 0.1) * 3 + 1e6
    level[0, ::7] = np.nextafter(level[0, 0], 2e6)
    assert metrics.prdn(level, level[:, ::-1]) is None and metrics.pearson(level, level) is None


@pytest.mark.parametrize("scale", [5e-324, 1e-200, 1e-9, 1.0, 1e150, 1e300])
def test_no_figure_depends_on_the_unit_or_overflows(scale):
    x = np.array([[3.0, -4.0, 12.0, -5.0, 7.0]])
    y = np.array([[3.0, -4.0, 10.0, -5.0, 6.0]])
    measured = metrics.measure(x * scale, y * scale, 250)
    assert measured.prd == pytest.approx(100 * math.sqrt(5 / 243), rel=1e-14)
    assert measured.prdn == pytest.approx(100 * math.sqrt(5 / 209.2), rel=1e-14)
    assert measured.r == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-14)


def test_an_error_too_large_for_a_number_is_no_figure():
    x, y = np.array([[1e-300, -1e-300]]), np.array([[1e300, 1e299]])
    measured = metrics.measure(x, y, 250)
    assert (measured.prd, measured.prdn, measured.snr_db) == (None, None, None)
    assert measured.r == pytest.approx(1)  # which each signal's own scale keeps


def test_the_figures_of_a_channel_are_those_of_it_alone_and_a_loud_one_hides_none():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3, 900)).cumsum(axis=1) * np.array([[1e5], [1.0], [1e-5]])
    y = x + 0.1 * x.std(axis=1, keepdims=True) * rng.normal(size=x.shape)
    y[2] = 0
    whole, channels = metrics.measure_parts(x, y, 250)
    for c, found in enumerate(channels):
        alone = metrics.measure(x[[c]], y[[c]], 250)
        assert found.prdn == pytest.approx(alone.prdn, rel=1e-9)
        assert (found.r is None) == (alone.r is None) == (c == 2)
        for band in ("delta", "beta"):
            assert found.bands[band].prd == pytest.approx(alone.bands[band].prd, rel=1e-9)
    assert whole.prdn < 12 and channels[2].prdn > 99


def test_band_edges_are_half_open_and_12_to_13_hz_lies_in_no_band():
    rate, n = 250.0, 2500
    holds = {}
    for hz in (0, 0.5, 1, 4, 8, 12, 12.9, 13, 30, 99.9, 100):
        tone = np.ones((1, n)) if hz == 0 else sine(hz, rate, 10)[None]
        bands = metrics.measure(tone, tone * 0.5, rate).bands
        # only the band that holds the tone loses half of something
        holds[hz] = [b for b, f in bands.items() if f is not None and f.prd == pytest.approx(50, abs=1e-6)]
    assert holds == {
        0: ["sub_delta"],
        0.5: ["sub_delta"],
        1: ["delta"],
        4: ["theta"],
        8: ["alpha"],
        12: [],
        12.9: [],
        13: ["beta"],
        30: ["gamma"],
        99.9: ["gamma"],
        100: [],
    }


def test_what_lies_at_the_nyquist_frequency_is_in_no_band():
    x = sine(50, 200, 4)[None] + np.resize([9.0, -9.0], 800)
    gamma = metrics.measure(x, x * 0.5 + np.resize([5.0, -5.0], 800), 200).bands["gamma"]
    assert gamma is not None and gamma.prd == pytest.approx(50, rel=1e-9)


def test_the_band_that_is_drawn_is_the_band_that_is_measured():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 1, 1001)).cumsum(axis=2)
    for band, figures in metrics.measure(x, y, 250).bands.items():
        bx, by = metrics.band_pass(x, band, 250), metrics.band_pass(y, band, 250)
        assert figures is not None
        assert figures.prd == pytest.approx(100 * np.linalg.norm(bx - by) / np.linalg.norm(bx), rel=1e-9)


def test_a_codec_that_drops_a_band_shows_it_in_that_band_alone():
    slow, fast = sine(2, 256, 8, 50.0), sine(20, 256, 8, 5.0)
    measured = metrics.measure((slow + fast)[None], slow[None], 256)
    beta, delta = measured.bands["beta"], measured.bands["delta"]
    assert beta is not None and delta is not None
    assert (beta.prd, beta.r) == (pytest.approx(100, abs=1e-6), None)
    assert delta.prd < 1e-6 and delta.r == pytest.approx(1.0)
    assert measured.prd == pytest.approx(100 * 5 / math.hypot(50, 5), rel=1e-9)


@pytest.mark.parametrize(
    ("rate", "unmeasurable"),
    [(256, []), (200, []), (199, ["gamma"]), (128, ["gamma"]), (60, ["gamma"]), (40, ["beta", "gamma"])],
)
def test_a_band_that_reaches_above_nyquist_is_unmeasured_and_never_perfect(rate, unmeasurable):
    x = np.random.default_rng(1).normal(size=(2, 4 * rate))
    bands = metrics.measure(x, x, rate).bands
    assert [name for name, figures in bands.items() if figures is None] == unmeasurable


def test_a_band_without_a_bin_in_a_short_recording_is_unmeasured():
    x = np.random.default_rng(2).normal(size=(1, 32))
    # 32 samples at 256 Hz: bins 8 Hz apart, so none between 1 and 8 Hz
    bands = metrics.measure(x, x, 256).bands
    assert [name for name, figures in bands.items() if figures is None] == ["delta", "theta"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(1, 4),
    n=st.integers(400, 901),
    rate=st.sampled_from([200.0, 250.0, 255.0, 256.0, 400.5]),
    offset=st.sampled_from([0.0, -3.0, 2048.0]),
)
def test_band_figures_equal_those_of_the_masked_and_inverted_signals(seed, channels, n, rate, offset):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(channels, n)).cumsum(axis=1) + offset * rng.normal(size=(channels, 1))
    y = x + rng.normal(size=x.shape)
    frequencies = np.fft.rfftfreq(n, 1 / rate)
    for band, (low, high) in metrics.BANDS.items():
        mask = (frequencies >= low - 1e-9) & (frequencies < high - 1e-9)
        bx, by = (np.fft.irfft(np.fft.rfft(z) * mask, n) for z in (x, y))
        figures = metrics.measure(x, y, rate).bands[band]
        assert figures is not None
        assert figures.prd == pytest.approx(100 * np.sqrt(((bx - by) ** 2).sum() / (bx**2).sum()), rel=1e-8)
        if min(bx.std(), by.std()) > 1e-6:  # else the band holds one constant, which has no correlation
            assert figures.r == pytest.approx(np.corrcoef(bx.ravel(), by.ravel())[0, 1], abs=1e-7)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_an_error_and_not_a_figure(bad):
    x = np.ones((1, 8))
    y = x.copy()
    y[0, 3] = bad
    with pytest.raises(ValueError, match="decoded signal holds a value that is not finite"):
        metrics.measure(x, y, 250)


@pytest.mark.parametrize("shape", [(1, 7), (2, 8), (8,), (0, 8), (1, 0)])
def test_signals_of_other_shapes_or_without_samples_are_refused(shape):
    with pytest.raises(ValueError, match="of one shape"):
        metrics.measure(np.ones((1, 8)), np.ones(shape), 250)
    if 0 in shape:
        with pytest.raises(ValueError, match="of one shape"):
            metrics.measure(np.ones(shape), np.ones(shape), 250)


def test_the_ratio_counts_whole_bytes_of_file_samples_and_of_the_file():
    assert metrics.raw_bytes(256, 12) == metrics.raw_bytes(256, 16) == 512
    assert metrics.raw_bytes(256, 24) == 768
    # a depth between two bytes takes the larger
    assert [metrics.raw_bytes(1, bits) for bits in (1, 15, 17, 20, 23, 25, 31, 32)] == [
        2,
        2,
        3,
        3,
        3,
        4,
        4,
        4,
    ]
    assert metrics.compression_ratio(512, 74) == pytest.approx(6.918918918918919, rel=1e-15)
    for original, file in ((512, 0), (0, 74), (512, -1)):
        with pytest.raises(ValueError, match="no ratio"):
            metrics.compression_ratio(original, file)


def test_quality_is_ratio_over_prd_and_the_ratio_itself_without_loss():
    assert metrics.quality_score(20, 5) == 4
    assert metrics.quality_score(2.5, 0) == 2.5
