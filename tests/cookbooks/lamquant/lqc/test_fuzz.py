"""A few of the mutations that ``python -m bench.fuzz_lqc`` makes, and that it sees what it looks for."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import fuzz_lqc
from bench.lqc_files import made_model, small_files
from bench.lqc_mutations import MUTATIONS, mutation, put_together, taken_apart
from cookbooks.lamquant.lqc import group_decoder
from cookbooks.lamquant.lqc.container import layout
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Group
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.decode import Decoder
from tests.conftest import REPOSITORY


def test_damaged_and_forged_files_are_refused_or_decoded_as_declared(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.fuzz_lqc", "--count", "250", "--start", "1000"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "250 cases, 0 failed" in done.stdout
    for name in MUTATIONS:
        assert f" {name}: " in done.stdout, f"no mutation was {name}"


def test_the_files_are_sound_and_forging_keeps_them_so() -> None:
    files = small_files(made_model())
    assert len(files) == 5
    for name, data in files.items():
        assert ChunkReader(data).verify() == [], name
        assert ChunkReader(put_together(taken_apart(data))).verify() == [], name
    assert mutation(7, list(files.values())) == mutation(7, list(files.values()))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda *_: [][0], "IndexError"),
        (lambda *_: bytearray(1 << 30), "MemoryError"),
    ],
)
def test_what_it_looks_for_is_seen(fault: object, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz_lqc.warm(made_model())
    monkeypatch.setattr(group_decoder, "decode_exact", fault)
    found = fuzz_lqc.cases(range(40), made_model())
    assert found.cases == 40 and {error.partition(":")[0] for _, _, error in found.failed} == {said}


def test_a_process_that_hangs_is_ended_and_its_case_named(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from bench import fuzz_lqc\n"
        "from cookbooks.lamquant.lqc import group_decoder\n"
        "model = fuzz_lqc.made_model()\n"
        "fuzz_lqc.warm(model)\n"
        "fuzz_lqc.LONGEST_S, group_decoder.decode_exact = 1, lambda *_: time.sleep(60)\n"
        "fuzz_lqc.cases(range(40), model, pathlib.Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "note")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Timeout" in done.stderr
    number, _, name = (tmp_path / "note").read_text().partition(" ")
    assert int(number) < 40 and name in {*MUTATIONS, "spliced"}


def test_time_grows_with_the_chunks_that_are_read_and_not_with_their_square() -> None:
    """Of a header alone that declares chunks of one sample each: all of them are lost."""
    data = layout.pack(FileHeader((Group(256, (ChannelFacts(),), "exact", 1, 2**20),)))
    taken = []
    for some in (2000, 16000):
        decoder = Decoder(data, None, "mark", threads=1)
        started = time.process_time()
        decoder.read(0, some)
        taken.append(time.process_time() - started)
    assert taken[1] < 24 * taken[0]
