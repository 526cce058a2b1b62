"""Tells numeric libraries how many threads to compute with, and to sleep while these wait for each other.

Threads that spin while they wait take from others what was leased to those: the same training, three times
at once on two CPUs, took twenty times as long. A result does not depend on how they wait. It may depend on
how many there are, so what a training computes with is a setting of its own and a part of its fingerprint;
these variables are what holds for programs that are told of none.
"""

from collections.abc import Mapping

THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS"),
)
"""Variables by which libraries start so many threads, read when they are loaded."""
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0"}
"""By which those of OpenMP sleep at once, in GNU's library and in Intel's and LLVM's."""


def thread_variables(threads: int, there: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables to start a program with, but for what somebody has set already.

    Args:
        threads: that it computes with; 0 where nobody says how many.
        there: the environment that it gets.
    """
    number = {} if threads < 1 or "OMP_NUM_THREADS" in there else dict.fromkeys(THREADS, str(threads))
    waits = {} if there.keys() & PASSIVE.keys() else PASSIVE
    return {name: value for name, value in {**number, **waits}.items() if name not in there}


def threads_set(there: Mapping[str, str]) -> int | None:
    """Returns how many threads somebody wants, by ``$OMP_NUM_THREADS``; None if nobody does."""
    text = there.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(text) if text.isdecimal() and 0 < int(text) < 1 << 16 else None
