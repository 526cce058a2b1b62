"""A test that this machine cannot run says so aloud; where tests must run (CI), that is a failure."""

import os
from typing import NoReturn

import pytest

CI_ENV = "BLUT_CI"
NOT_TESTED = "not tested on this machine: "


def lacking(what: str) -> NoReturn:
    """Skip the test because the machine lacks something; ``what`` names it and the remedy."""
    if os.environ.get(CI_ENV) == "1":
        pytest.fail(f"${CI_ENV}=1 and this machine cannot run the test: {what}", pytrace=False)
    pytest.skip(NOT_TESTED + what)


def summary(reporter: pytest.TerminalReporter) -> None:
    """A section of its own for these skips, which are easily overlooked among others."""
    skipped = [report for report in reporter.stats.get("skipped", []) if NOT_TESTED in str(report.longrepr)]
    if skipped:
        reporter.section("NOT TESTED ON THIS MACHINE", sep="!", red=True, bold=True)
        for report in skipped:
            reporter.line(f"{report.nodeid}: {str(report.longrepr[2]).partition(NOT_TESTED)[2]}", red=True)
