"""Runs a directory of tests inside a booted machine, once, and tells what became of each of them."""

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.aftermath import Row, note, parse
from tests.lacking import lacking

INSIDE_ENV = "BLUT_TESTS_INSIDE"
"""Set inside: there the tests are collected."""
LACKS, DID_NOT_REPORT = 69, 125
"""Exit status of a boot script: something is missing here; the machine did not come up."""


@dataclass
class Machine:
    """What the tests inside did: test to its cases, a case to its failure message, "" if it passed.

    And test to the rows that it noted.
    """

    output: str
    cases: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def check(self, test: str) -> None:
        """Fail unless all cases of this test ran inside and passed."""
        found = self.cases.get(test)
        if not found:
            pytest.fail(f"{test} did not run inside:\n{self.output[-4000:]}", pytrace=False)
        for row in self.rows.get(test, []):
            note(row)
        failures = [f"{case}:\n{message}" for case, message in found.items() if message]
        if failures:
            pytest.fail("\n\n".join(failures), pytrace=False)


def names_in(directory: Path) -> list[str]:
    """``module::function`` of every test function that is not heavy, without importing anything."""
    found = []
    for module in sorted(directory.glob("test_*.py")):
        for node in ast.parse(module.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not _is_heavy(node):
                found.append(f"{module.stem}::{node.name}")
    return found


def _is_heavy(node: ast.FunctionDef) -> bool:
    return any("mark.heavy" in ast.unparse(one) for one in node.decorator_list)


def boot(script: Path, inside: Path, out: Path, timeout_s: int, marked: str = "not heavy") -> Machine:
    """Boot, run tests of a directory inside, read their report; skips where nothing can be booted."""
    report = out / "junit.xml"
    plugins = ("-p", "no:cacheprovider", "-p", "pytest_timeout")
    tests = [sys.executable, "-m", "pytest", "-q", *plugins, "--basetemp=/run/tests", "--durations=12"]
    tests += ["-m", marked, "-o", "junit_family=xunit1", f"--junitxml={report}"]
    options = ["-t", str(timeout_s), "-w", str(out), "-e", INSIDE_ENV, "-e", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    done = subprocess.run(
        [script, *options, "--", *tests, inside],
        env={**os.environ, INSIDE_ENV: inside.parent.name, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=inside.parent.parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    print(done.stdout)
    if done.returncode == LACKS or (done.returncode == DID_NOT_REPORT and not report.exists()):
        lacking(done.stdout.strip()[-3000:])
    if not report.exists():
        pytest.fail(f"no report, exit status {done.returncode}:\n{done.stdout[-4000:]}", pytrace=False)
    return _told(report, done.stdout)


def _told(report: Path, output: str) -> Machine:
    machine = Machine(output)
    for case in ElementTree.parse(report).iter("testcase"):
        module = case.get("classname", "").rpartition(".")[2]
        name = case.get("name", "")
        test = f"{module}::{name.partition('[')[0]}"
        # a skip inside is a failure too: the machine was made for these tests
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        message = "\n".join(f"{child.get('message')}\n{child.text or ''}" for child in bad)
        machine.cases.setdefault(test, {})[name] = message
        properties = [(said.get("name", ""), said.get("value")) for said in case.iter("property")]
        machine.rows.setdefault(test, []).extend(parse(properties))
    return machine
