"""Fixtures: a persistent Dagster home in a temporary directory."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.containment.backends.cgroup1 import Cgroup1
from tests import aftermath, lacking
from tests.databases import CHOICE, begin_for_all, database, drop, end_for_all, keeps_history, server, shipped

__all__ = ["database", "server"]

REPOSITORY = Path(__file__).parent.parent
LONGEST = (
    "uml/test_boot.py",
    "cookbooks/llm/test_gguf_files.py",
    "blut_assets/cli/test_day.py",
    "e2e/test_cancel.py",
    "e2e/test_main_job.py",
    "e2e/test_retraining.py",
    "e2e/test_faults.py",
    "cookbooks/llm/test_registration.py",
    "cookbooks/llm/test_gguf_assets.py",
    "cookbooks/llm/test_training_assets.py",
    "cookbooks/llm/test_eval_suite.py",
    "cookbooks/llm/test_gguf_preflight.py",
    "cookbooks/llm/test_evaluation_models.py",
    "e2e/test_adopt.py",
    "cookbooks/lamquant/test_verdict.py",
    "e2e/test_last_words.py",
    "docs/test_site.py",
    "neighbours/test_every_command.py",
    "cookbooks/lamquant/adaptive/test_recipe.py",
    "homes/test_opens.py",
)
"""Files of the better part of a minute and more. Where llama.cpp is not built yet, the second one builds it,
while those after it need none."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty instance directory that every command of the test uses."""
    directory = tmp_path / "home"
    directory.mkdir()
    settings = shipped()
    (directory / "dagster.yaml").write_text(settings)
    monkeypatch.setenv("DAGSTER_HOME", str(directory))
    monkeypatch.delenv("BLUT_STORE", raising=False)
    yield directory
    drop(settings)


@pytest.fixture(autouse=True)
def _own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test never waits for what another one, or a person, runs on this machine."""
    monkeypatch.setenv("BLUT_LEASES", str(tmp_path / "leases"))


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may pass by itself is tried again at once."""
    monkeypatch.setenv("BLUT_RETRY_WAIT", "0.05s")


@pytest.fixture(autouse=True)
def _no_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon of a test never acts on the policy of whoever runs the tests."""
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(tmp_path / "no-policy.toml"))


@pytest.fixture(autouse=True)
def _scripts_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads of tests are told by the environment how to behave."""
    monkeypatch.setenv("BLUT_PAYLOAD_ENV", "TRAINS, SCRIPT, CHAIN_*")


@pytest.fixture(autouse=True)
def _wide_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test looks for in a table is not broken over two lines."""
    monkeypatch.setenv("COLUMNS", "500")


@pytest.fixture(autouse=True)
def _quiet_pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests share the machine with each other: one thread per numeric library, and no wait for a CPU."""
    if "BLUT_LEASE_CPUS" not in os.environ:
        monkeypatch.setenv("BLUT_LEASE_CPUS", "64")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        if name not in os.environ:
            monkeypatch.setenv(name, "1")
    yield


def pytest_configure() -> None:
    """What is started in the background ignores Ctrl-C. Dagster makes SIGTERM do the same, and all that a
    test starts would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    begin_for_all()


def pytest_unconfigure() -> None:
    """The server of `make test-postgres` ends with it."""
    end_for_all()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first: one that is begun last keeps a single core busy at the end.

    With histories in a PostgreSQL, only tests that have one: the others are the same as without.
    """
    if os.environ.get(CHOICE) == "postgres":
        config.hook.pytest_deselected(items=[item for item in items if not keeps_history(item)])
        items[:] = [item for item in items if keeps_history(item)]
    ranks = {REPOSITORY / "tests" / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONGEST)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was left after faults; and what could not be tested here, aloud."""
    aftermath.summary(terminalreporter)
    lacking.summary(terminalreporter)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Rows of a test go with its report."""
    aftermath.hand_on(item)


@pytest.fixture
def cgroup1() -> None:
    """Cgroups of version 1 that may be made here."""
    if reason := Cgroup1().unavailable():
        lacking.lacking(reason)
