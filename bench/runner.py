"""Each benchmark in a process of its own."""

import importlib
import multiprocessing
import traceback
from concurrent.futures import ProcessPoolExecutor

from bench.table import Row, skipped


def measure(name: str, quick: bool) -> list[Row]:
    """The rows of one benchmark; one that cannot be measured says why and does not lose the others."""
    try:
        return importlib.import_module(f"bench.{name}").rows(quick)
    except Exception as error:
        traceback.print_exc()
        return [skipped(name, "not measured", f"{type(error).__name__}: {str(error).splitlines()[0]}")]


def in_own_process(name: str, quick: bool) -> list[Row]:
    """Memory and threads of one benchmark must not show in the next."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, name, quick).result()
