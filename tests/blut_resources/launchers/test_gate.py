"""No more jobs of one launcher than said, over all processes, and none is kept by the dead."""

import subprocess
import sys

import pytest

from blut_resources.launchers.gate import a_job_of, most_jobs
from blut_resources.machine.amounts import LimitsError
from tests.conftest import REPOSITORY

HOLDS = (
    "from blut_resources.launchers.gate import a_job_of\n"
    "with a_job_of('gpu'):\n    print('in', flush=True)\n    input()\n"
)


class Late(Exception):
    """What a wait ends by."""


def refuse(most: int) -> None:
    raise Late(most)


def test_a_job_waits_for_those_of_other_processes_and_not_for_other_launchers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLUT_MAX_JOBS", "1")
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdin=pipe, stdout=pipe, cwd=REPOSITORY) as other:
        assert other.stdout and other.stdout.readline() == b"in\n"
        with pytest.raises(Late, match="1"), a_job_of("gpu", refuse):
            pass
        with a_job_of("cpu", refuse):
            pass
        other.kill()
    with a_job_of("gpu", refuse), pytest.raises(Late), a_job_of("gpu", refuse):
        pass


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_number_that_makes_no_sense_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_MAX_JOBS", text)
    with pytest.raises(LimitsError, match=r"\$BLUT_MAX_JOBS"):
        most_jobs()
