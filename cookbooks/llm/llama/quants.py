"""Lists the quantisations of llama.cpp, by its own names, and the types that a tensor then really has."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FILE_TYPES = {
    "F32": 0,
    "F16": 1,
    "BF16": 32,
    "Q8_0": 7,
    "Q6_K": 18,
    "Q5_K_M": 17,
    "Q5_K_S": 16,
    "Q5_0": 8,
    "Q5_1": 9,
    "Q4_K_M": 15,
    "Q4_K_S": 14,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q3_K_L": 13,
    "Q3_K_M": 12,
    "Q3_K_S": 11,
    "Q2_K": 10,
    "Q2_K_S": 21,
    "IQ4_NL": 25,
    "IQ4_XS": 30,
    "IQ3_M": 27,
    "IQ3_S": 26,
    "IQ3_XS": 22,
    "IQ3_XXS": 23,
    "IQ2_M": 29,
    "IQ2_S": 28,
    "IQ2_XS": 20,
    "IQ2_XXS": 19,
    "IQ1_M": 31,
    "IQ1_S": 24,
    "TQ2_0": 37,
    "TQ1_0": 36,
    "MXFP4_MOE": 38,
    "Q2_0": 41,
    "Q1_0": 40,
}
"""Name -> the number that llama.cpp gives a file of this kind."""

UNQUANTISED = ("F32", "F16", "BF16")
NEED_IMPORTANCE = frozenset({"Q2_K_S", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"})
"""llama.cpp refuses to make these without an importance matrix."""

PLANNED = re.compile(
    r"^\[\s*\d+/\s*\d+\]\s+(?P<name>\S+)\s+- \[(?P<shape>[\d,\s]+)\], type =\s+(?P<type>\S+),"
    r" size =\s+\S+ MiB(?: ->\s+\S+ MiB \((?P<to>\S+)\))?"
)
TOTAL = re.compile(r"quant size\s+=\s+(?P<mib>[\d.]+) MiB \((?P<bits>[\d.]+) BPW\)")
FELL_BACK = re.compile(
    r"^warning: (?P<name>\S+)\s+- ncols\s+(?P<columns>\d+) not divisible by\s+(?P<block>\d+)"
)


@dataclass(frozen=True)
class Plan:
    """Says what llama.cpp would make of a file:
    the true type of every tensor, and which could not have theirs.

    ``fallbacks`` maps a tensor to its number of columns; ``bits`` are those of a weight on average.
    """

    types: Mapping[str, str]
    fallbacks: Mapping[str, int]
    mib: float
    bits: float

    def counts(self) -> str:
        """Says how many tensors have which type, the commonest first, as ``Q5_0:166 Q4_K:16``."""
        return count_types(self.types.values())

    def fallback_columns(self) -> dict[int, int]:
        """Returns the number of columns -> how many tensors fell back because of it."""
        found: dict[int, int] = {}
        for columns in self.fallbacks.values():
            found[columns] = found.get(columns, 0) + 1
        return dict(sorted(found.items()))


def quant_of(name: str) -> str:
    """Returns llama.cpp's spelling of a quantisation, given in any case.

    Raises:
        ValueError: there is none of that name.
    """
    if name.upper() not in FILE_TYPES:
        raise ValueError(f"{name!r} is no quantisation of llama.cpp: use one of {', '.join(FILE_TYPES)}")
    return name.upper()


def count_types(types: Iterable[str]) -> str:
    """Says how many tensors have which type, the commonest first."""
    counts: dict[str, int] = {}
    for name in types:
        counts[name] = counts.get(name, 0) + 1
    return " ".join(f"{name}:{n}" for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_plan(lines: list[str]) -> Plan:
    """Returns the plan out of the log of a dry run, or of a real one."""
    types: dict[str, str] = {}
    fallbacks: dict[str, int] = {}
    mib = bits = 0.0
    for line in map(_as_planned, lines):
        if found := PLANNED.match(line):
            types[found["name"]] = (found["to"] or found["type"]).upper()
        elif found := FELL_BACK.match(line):
            fallbacks[found["name"]] = int(found["columns"])
        elif found := TOTAL.search(line):
            mib, bits = float(found["mib"]), float(found["bits"])
    return Plan(types, fallbacks, mib, bits)


def _as_planned(line: str) -> str:
    """Returns a line of a real run, which says ``converting to q5_0 .. size =``,
    in the words of a dry one.
    """
    before, mark, after = line.partition("converting to ")
    if not mark:
        return line
    to, _, rest = after.partition(" .. ")
    return f"{before}{rest.strip()} ({to.strip()})"
