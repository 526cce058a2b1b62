"""Computes the synthetic EEG: random sources, a lead field, artefacts, a reference.

Aperiodic spectra after Donoghue et al. 2020 (``1 / (knee + f^a)``); scalp sites are the 10-20 system's
angles on a sphere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.samples.synthetic_events import PlannedEvent, add_stretches

# Azimuth (degrees clockwise from the nose) and inclination from the vertex of the 10-20 sites.
SITES: dict[str, tuple[float, float]] = {
    "Fp1": (-18, 90), "Fp2": (18, 90), "F3": (-39, 60), "F4": (39, 60), "C3": (-90, 45), "C4": (90, 45),
    "P3": (-141, 60), "P4": (141, 60), "O1": (-162, 90), "O2": (162, 90), "F7": (-54, 90), "F8": (54, 90),
    "T3": (-90, 90), "T4": (90, 90), "T5": (-126, 90), "T6": (126, 90), "Fz": (0, 45), "Cz": (0, 0),
    "Pz": (180, 45), "A1": (-90, 112), "A2": (90, 112),
}  # fmt: skip
TEN_TWENTY = tuple(SITES)
N_DIPOLES = 48


@dataclass(frozen=True)
class Traits:
    """Says what stays the same in all recordings of a subject. Amplitudes are in microvolts."""

    exponent: float
    amplitude: float
    alpha_hz: float
    alpha_gain: float
    muscle: float
    mains_hz: int
    mains: float
    noise: float
    blinks_per_s: float
    rotation_deg: float
    reference: str
    step_uv: float
    bits: int


def draw_traits(seed: int, subject: int) -> Traits:
    """Returns the traits of one subject."""
    rng = np.random.default_rng([seed, subject])
    bits = int(rng.choice([12, 16, 16]))
    return Traits(
        exponent=rng.uniform(1.2, 2.2),
        amplitude=rng.uniform(10, 22),
        alpha_hz=rng.uniform(8.2, 11.5),
        alpha_gain=rng.lognormal(0.0, 0.5),
        muscle=rng.lognormal(0.3, 0.6),
        mains_hz=int(rng.choice([50, 60])),
        mains=rng.lognormal(-0.7, 0.8),
        noise=rng.uniform(0.3, 1.2),
        blinks_per_s=rng.uniform(0.05, 0.35),
        rotation_deg=rng.normal(0, 4),
        reference=str(rng.choice(["average", "ears", "Cz"])),
        step_uv=0.5 if bits == 12 else float(rng.choice([0.03, 0.1, 0.195, 0.5])),
        bits=bits,
    )


def simulate(
    traits: Traits,
    key: tuple[int, int, int],
    n_samples: int,
    rate_hz: int,
    channels: tuple[str, ...] = TEN_TWENTY,
    seizure: tuple[float, float] | None = None,
    stretches: Sequence[PlannedEvent] = (),
) -> NDArray[np.float64]:
    """Simulate one recording in microvolts ``[C, n_samples]``.

    Args:
        seizure: onset and length in seconds of regular spike and wave, larger than all else.
        stretches: what happens besides; the background is the same with them and without.
    """
    rng = np.random.default_rng([*key, 1])
    sites = _positions(TEN_TWENTY, traits.rotation_deg)
    eeg = _background(rng, traits, sites, n_samples, rate_hz)
    eeg *= traits.amplitude / eeg.std()
    _add_rhythms(eeg, rng, traits, sites, rate_hz)
    _add_blinks(eeg, rng, traits, sites, rate_hz)
    _add_muscle(eeg, rng, traits, sites, rate_hz)
    if seizure is not None:
        _add_spike_wave(eeg, sites, rate_hz, *seizure)
    _add_electrodes(eeg, rng, traits, rate_hz)
    names = list(TEN_TWENTY)
    referenced = eeg - _reference(eeg, names, traits.reference)
    if traits.reference == "Cz":
        # An electrode against itself is flat; the amplifier's own noise remains.
        referenced[names.index("Cz")] = traits.noise * rng.standard_normal(n_samples)
    # after the reference, which would take most of a generalised seizure away
    add_stretches(referenced, key, stretches, rate_hz, partial(_spot, sites))
    return referenced[[names.index(site) for site in channels]]


def _reference(eeg: NDArray[np.float64], names: list[str], kind: str) -> NDArray[np.float64]:
    if kind == "Cz":
        return eeg[names.index("Cz")].copy()
    if kind == "ears":
        return (eeg[names.index("A1")] + eeg[names.index("A2")]) / 2
    return eeg.mean(axis=0)


def _positions(names: tuple[str, ...], rotation_deg: float) -> NDArray[np.float64]:
    """Returns unit vectors ``[C, 3]``: right, nose, up."""
    azimuth, inclination = np.deg2rad(np.array([SITES[name] for name in names], float)).T
    azimuth = azimuth + np.deg2rad(rotation_deg)
    across = np.sin(inclination)
    return np.stack([across * np.sin(azimuth), across * np.cos(azimuth), np.cos(inclination)], axis=1)


def _shaped(rng: np.random.Generator, gain: NDArray[np.float64], n_samples: int) -> NDArray[np.float64]:
    """Returns unit-variance noise whose amplitude spectrum follows ``gain`` (over ``rfftfreq``)."""
    wave = np.fft.irfft(np.fft.rfft(rng.standard_normal(n_samples)) * gain, n_samples)
    return wave / max(float(np.std(wave)), 1e-12)


def _band(n_samples: int, rate_hz: int, centre: float, width: float) -> NDArray[np.float64]:
    frequency = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    return np.exp(-0.5 * ((frequency - centre) / width) ** 2)


def _background(
    rng: np.random.Generator, traits: Traits, sites: NDArray[np.float64], n_samples: int, rate_hz: int
) -> NDArray[np.float64]:
    """Make dipoles with power ``1 / (knee + f^a)``, falling off with distance to the power 2.2."""
    frequency = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    eeg = np.zeros((len(sites), n_samples))
    for _ in range(N_DIPOLES):
        exponent = traits.exponent + rng.normal(0, 0.15)
        power = 1 / (rng.uniform(0.5, 4.0) + frequency**exponent)
        power[frequency < 0.3] = 0
        place = rng.standard_normal(3)
        place *= rng.uniform(0.45, 0.8) / np.linalg.norm(place)
        place[2] = abs(place[2])
        direction = rng.standard_normal(3)
        toward = sites - place
        distance = np.linalg.norm(toward, axis=1)
        lead = (toward @ direction) / (np.linalg.norm(direction) * distance) / distance**2.2
        eeg += lead[:, None] * _shaped(rng, np.sqrt(power), n_samples)
    return eeg


def _spot(
    sites: NDArray[np.float64], azimuth: float, inclination: float, width: float
) -> NDArray[np.float64]:
    """Returns how strongly each site sees a source under the given scalp point: a Gaussian of the chord."""
    a, i = np.deg2rad(azimuth), np.deg2rad(inclination)
    centre = np.array([np.sin(i) * np.sin(a), np.sin(i) * np.cos(a), np.cos(i)])
    return np.exp(-0.5 * (np.linalg.norm(sites - centre, axis=1) / width) ** 2)


def _add_rhythms(
    eeg: NDArray[np.float64],
    rng: np.random.Generator,
    traits: Traits,
    sites: NDArray[np.float64],
    rate_hz: int,
) -> None:
    """Add alpha, mu, beta, theta and spindle bursts with log-normal envelopes."""
    n_samples = eeg.shape[1]
    # azimuth, inclination, spread, centre (Hz), width (Hz), gain against the background
    sources = (
        (172, 85, 0.6, traits.alpha_hz, 0.5, 0.9 * traits.alpha_gain),
        (-172, 85, 0.6, traits.alpha_hz, 0.5, 0.9 * traits.alpha_gain),
        (-90, 45, 0.4, traits.alpha_hz + 0.7, 0.6, 0.3),
        (90, 45, 0.4, traits.alpha_hz + 0.7, 0.6, 0.3),
        (0, 40, 0.6, 20.0, 3.0, 0.2),
        (0, 50, 0.5, 6.0, 0.8, 0.35),
        (0, 15, 0.6, 13.2, 0.5, 0.12),
    )
    for azimuth, inclination, spread, centre, width, gain in sources:
        envelope = np.exp(0.8 * _shaped(rng, _band(n_samples, rate_hz, 0.0, 0.25), n_samples))
        wave = _shaped(rng, _band(n_samples, rate_hz, centre, width), n_samples)
        weight = traits.amplitude * gain * _spot(sites, azimuth, inclination, spread)
        eeg += weight[:, None] * (envelope * wave / np.sqrt(np.mean(envelope**2)))


def _add_blinks(
    eeg: NDArray[np.float64],
    rng: np.random.Generator,
    traits: Traits,
    sites: NDArray[np.float64],
    rate_hz: int,
) -> None:
    n_samples = eeg.shape[1]
    weight = _spot(sites, 0, 105, 0.5)
    for _ in range(rng.poisson(traits.blinks_per_s * n_samples / rate_hz)):
        centre, width = rng.uniform(0, n_samples), rng.uniform(0.05, 0.09) * rate_hz
        low, high = max(0, int(centre - 5 * width)), min(n_samples, int(centre + 5 * width))
        pulse = np.exp(-0.5 * ((np.arange(low, high) - centre) / width) ** 2)
        eeg[:, low:high] += rng.uniform(80, 180) * weight[:, None] * pulse


def _add_muscle(
    eeg: NDArray[np.float64],
    rng: np.random.Generator,
    traits: Traits,
    sites: NDArray[np.float64],
    rate_hz: int,
) -> None:
    """Add broadband noise above 20 Hz over the temples, in bursts."""
    n_samples = eeg.shape[1]
    frequency = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    for azimuth in (-80, 80):
        envelope = np.exp(1.2 * _shaped(rng, _band(n_samples, rate_hz, 0.0, 0.3), n_samples) - 0.7)
        wave = _shaped(rng, 1 / (1 + np.exp(-(frequency - 25) / 4)), n_samples)
        eeg += (traits.muscle * _spot(sites, azimuth, 95, 0.4))[:, None] * (envelope * wave)


def _add_spike_wave(
    eeg: NDArray[np.float64], sites: NDArray[np.float64], rate_hz: int, onset: float, length: float
) -> None:
    """Add generalised 3 Hz spike and wave: a sharp spike and a slow wave per cycle, frontal maximum."""
    low, high = int(onset * rate_hz), min(eeg.shape[1], int((onset + length) * rate_hz))
    time = np.arange(high - low) / rate_hz
    phase = (3.0 * time) % 1.0
    wave = 60 * np.sin(np.pi * np.clip((phase - 0.25) / 0.75, 0, 1)) ** 2
    wave -= 90 * np.exp(-0.5 * ((phase - 0.12) / 0.035) ** 2)
    ramp = np.clip(np.minimum(time, time[::-1]) / 0.5, 0, 1) if len(time) else time
    eeg[:, low:high] += (0.3 + _spot(sites, 0, 60, 0.8))[:, None] * (ramp * wave)


def _add_electrodes(eeg: NDArray[np.float64], rng: np.random.Generator, traits: Traits, rate_hz: int) -> None:
    """Add gain spread, mains, white noise, drift as a random walk, and now and then a pop that decays."""
    n_channels, n_samples = eeg.shape
    eeg *= rng.normal(1.0, 0.04, (n_channels, 1))
    time = np.arange(n_samples) / rate_hz
    strength, phase = traits.mains * rng.lognormal(0, 0.6, n_channels), rng.uniform(0, 6.28, n_channels)
    for row in range(n_channels):
        eeg[row] += strength[row] * np.sin(2 * np.pi * traits.mains_hz * time + phase[row])
        eeg[row] += traits.noise * rng.standard_normal(n_samples)
        walk = np.cumsum(rng.standard_normal(n_samples)) * (2.0 / rate_hz**0.5)
        eeg[row] += walk - np.linspace(0, walk[-1], n_samples)
        for _ in range(rng.poisson(n_samples / rate_hz / 600)):
            start = int(rng.uniform(0, n_samples))
            size = rng.choice([-1, 1]) * rng.uniform(100, 300)
            eeg[row, start:] += size * np.exp(-(time[start:] - time[start]) / 0.4)
