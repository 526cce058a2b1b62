"""Puts a page on paper with a browser that is there."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from blut_resources.text import one_line

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 120.0


class NoPaper(Exception):
    """Says why there is no PDF, and the remedy."""


def browser() -> str:
    """Returns the browser that makes PDF.

    Raises:
        NoPaper: there is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise NoPaper(
            "a PDF takes Chromium or Chrome, and none is on the PATH: `apt install chromium`, or name"
            " FILE.html and print it from any browser"
        )
    return found


def as_pdf(page: str) -> bytes:
    """Returns a page as PDF.

    Raises:
        NoPaper: there is no browser, or it fails.
    """
    program = browser()
    with tempfile.TemporaryDirectory(prefix="blut-report-") as folder:
        source, target = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_text(page)
        options = ["--headless=new", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium starts as root in no other way
        options += ["--no-pdf-header-footer", f"--print-to-pdf={target}", source.as_uri()]
        said = _run([program, *options])
        if not target.is_file() or not target.read_bytes().startswith(b"%PDF"):
            raise NoPaper(f"{program} made no PDF: {said}; name FILE.html and print it from any browser")
        return target.read_bytes()


def _run(command: list[str]) -> str:
    """Returns the last that a program said; it and its children are ended where it takes too long."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            _, said = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"it did not end within {PATIENCE_S:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    last = said.decode(errors="replace").strip().splitlines()[-1:]
    return one_line(last[0], 300) if last else f"it ended with status {process.returncode}"
