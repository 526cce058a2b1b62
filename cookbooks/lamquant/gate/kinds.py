"""Says of each gate what it asks for: blocks of floors, and what must hold of the inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cookbooks.lamquant.gate.floors import INTEGRITY, GateName

Block = Literal["fidelity", "budgets", "decisions", "comparisons"]
SEALED = tuple(f"{name}_violations" for name in INTEGRITY[:5])
"""Of every gate: nothing was changed, and no test patient was seen or lies on two sides."""
NOT_ALL_CRITICAL: tuple[Block, str, float] = ("decisions", "max_critical_share", 0.5)
"""Who calls everything critical finds every seizure: a registry of sensitivity alone would let that pass."""
CODED = tuple(f"{name}_violations" for name in INTEGRITY)
"""Of a gate of bitstreams: each recording has one sound file, and one decoding."""


@dataclass(frozen=True)
class Gate:
    """Describes what a gate asks for.

    Attributes:
        blocks: blocks of floors that its registry must have.
        one_of: blocks of which its registry must have at least one.
        unwritten: floors that hold where its registry writes none: block, key and limit.
        integrity: counts that must be 0, by the names of their figures.
    """

    blocks: tuple[Block, ...]
    integrity: tuple[str, ...]
    one_of: tuple[Block, ...] = ()
    unwritten: tuple[tuple[Block, str, float], ...] = ()


GATES: Mapping[GateName, Gate] = {
    "device": Gate(
        blocks=("fidelity", "budgets"),
        integrity=(
            *CODED,
            "bit_exact_violations",
            "bundle_mismatches",
            "budgets_unmeasured",
            "device_limits_violations",
            "sanitizer_findings",
        ),
    ),
    "snn": Gate(
        blocks=("decisions",),
        integrity=(
            *SEALED,
            "one_stream_of_states_violations",
            "chunk_invariance_violations",
            "causality_violations",
            "position_only_violations",
            "labels_seen_violations",
        ),
        unwritten=(
            NOT_ALL_CRITICAL,
            ("decisions", "min_event_sensitivity", 0.05),  # who calls nothing critical has no false alarm
            ("decisions", "min_margin_over_energy_auc", 0),
            ("decisions", "min_margin_over_logistic_auc", -0.02),
        ),
    ),
    "pipeline": Gate(
        blocks=("fidelity", "decisions", "comparisons"),
        integrity=(
            *CODED,
            "states_in_bitstream_violations",
            "causality_violations",
            "labels_seen_violations",
            "fail_safe_violations",
        ),
        unwritten=(NOT_ALL_CRITICAL, ("comparisons", "min_rate_advantage", 1)),
    ),
    "oracle": Gate(blocks=(), one_of=("fidelity", "comparisons"), integrity=CODED),
    "decoder": Gate(
        blocks=(),
        one_of=("fidelity", "comparisons"),
        integrity=(*CODED, "same_bitstreams_violations"),
        unwritten=(("comparisons", "min_gain_pct", 0), ("comparisons", "max_regression_pct", 0)),
    ),
}
"""All gates but that of the joint codec, whose registry is of the first version."""
