"""Turns the unit of a signal into microvolts."""

import re

CANONICAL = {1e-3: "nV", 1.0: "uV", 1e3: "mV", 1e6: "V"}
_PREFIXES = {"n": 1e-3, "nano": 1e-3, "u": 1.0, "micro": 1.0, "m": 1e3, "milli": 1e3, "": 1e6}
_VOLTAGE = re.compile(r"(n|nano|u|micro|m|milli|)[ -]?v(o(l(ts?)?)?)?s?", re.IGNORECASE)
# The micro sign arrives as Latin-1, UTF-8 read as Latin-1 (once or twice), the Greek letter in UTF-8 and
# ISO 8859-7, and as the DOS code page 437 has it.
_MICRO = re.compile("ÃÂµ|Ã\x82Âµ|Âµ|µ|Î¼|\xce\xbc|\xec|\xe6|μ")


def microvolts_per(dimension: str) -> float | None:
    """Returns how many microvolts one unit is; None where that is not known.

    ``MV`` is megavolts by the SI, and somebody's millivolts: not known.
    """
    plain = _MICRO.sub("u", dimension).strip(" .")
    found = _VOLTAGE.fullmatch(plain)
    if found is None or (found[1] == "M"):
        return None
    return _PREFIXES[found[1].lower()]


def is_plain(dimension: str) -> bool:
    """Says whether a unit is written as the format says."""
    return dimension in CANONICAL.values()
