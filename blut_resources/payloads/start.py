"""Runs every payload: ``python -P -u start.py CODE MODULE``.

CODE is the JSON file that says what the payload is made of and where modules are looked for. It is run by its
path, so neither the working directory nor PYTHONPATH has a word in what is started; ``-I`` does no harm.
"""

import json
import sys


def start() -> None:
    """Run MODULE as ``python -m MODULE`` would, from the files that CODE names.

    Raises:
        SystemExit: if one of them says something else than when it was hashed.
    """
    told, module = sys.argv[1:3]
    with open(told, encoding="utf-8") as file:  # noqa: PTH123
        code = json.load(file)
    sys.path[:] = code["path"]
    from blut_resources.payloads.code import heard, pin, watch

    pin(module, code["modules"], code["files"])
    watch(code["roots"], code["counted"])
    sys.argv[:] = [module]
    from runpy import run_module

    try:
        run_module(module, run_name="__main__", alter_sys=True)
    except BaseException as error:
        _note(error)
        raise
    finally:
        if not heard():  # it has opened no session
            from blut_resources.payload_kit.session import tell_uncounted_files

            tell_uncounted_files()


def _note(error: BaseException) -> None:
    """Note, for whoever started the ranks of a payload, that this one fails, and whether by another's fault.

    Raises:
        SystemExit: another rank is gone; whatever that led to here is not worth telling.
    """
    import os

    place = os.environ.get("BLUT_RANKS_ENDED")
    if not place or (isinstance(error, SystemExit) and not error.code):
        return
    import time

    from blut_resources.payload_kit.ranks import is_of_another
    from blut_resources.payload_kit.session import rank

    missed = is_of_another(error)
    with open(f"{place}/{rank()}.json", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump({"missed": missed, "at": time.time()}, file)
    if missed:
        raise SystemExit(f"rank {rank()} misses another one, which has ended") from None


if __name__ == "__main__":
    start()
