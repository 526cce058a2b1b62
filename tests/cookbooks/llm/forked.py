"""Payloads in processes that have the model libraries already: importing them takes seconds, and tests start
many.

The processes are forked from a server that has imported them and done nothing else, one for each process of
the suite. What the libraries read of the environment when they are imported is the server's: a payload's own
import order is what the tests of the Dagster assets see, which start it under ``python -m``.
"""

import functools
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from multiprocessing.context import ForkServerContext
from pathlib import Path


@functools.cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.cookbooks.llm.libraries"])
    return context


def run_forked(module: str, arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """What ``python -m MODULE ARGUMENTS`` would end with, in ``cwd`` and with this process's environment."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        command = (module, arguments, cwd, dict(os.environ), files)
        process = _server().Process(target=_run, args=command)
        process.start()
        process.join()
        assert process.exitcode is not None
        said, complained = (path.read_text() for path in files)
    return subprocess.CompletedProcess([module, *arguments], process.exitcode, said, complained)


def _run(module: str, arguments: list[str], cwd: Path, env: dict[str, str], files: list[Path]) -> None:
    for number, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
