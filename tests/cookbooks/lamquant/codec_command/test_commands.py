"""What the commands do with many files, places that are taken, models that are not there, and damage."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyedflib
import pytest

from blut_resources.registry.models import ModelRegistry
from cookbooks.lamquant.codec_command.batch import BatchMeter
from cookbooks.lamquant.lqc.__main__ import main
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.codec_command.conftest import Codec, rows
from tests.cookbooks.lamquant.codec_command.recordings import night, written
from tests.cookbooks.lamquant.edf_writer import Edf, eeg, walk

BLUT = [sys.executable, "-c", "import sys; sys.argv[0] = 'blut'; from blut_assets.cli import main; main()"]


def below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_a_tree_is_kept_and_a_bad_file_costs_a_line(codec: Codec, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    written(tree / "a", "one.edf", night())
    written(tree / "b" / "c", "two.BDF", night(3))
    written(tree, "same.edf", night())
    written(tree, "same.bdf", night(3))
    (tree / "b" / "bad.edf").write_bytes(b"no recording" * 100)
    done = codec("encode", tree, "--max-error", 0, "-o", tmp_path / "out", status=1)
    assert "4 of 5 files, 1 failed" in done.stderr
    assert f"{tree}/b/bad.edf: version: the first 8 bytes are neither EDF's nor BDF's" in done.stderr
    coded = {"a/one.lqc", "b/c/two.lqc", "same.edf.lqc", "same.bdf.lqc"}
    assert below(tmp_path / "out") == coded
    codec("decode", tmp_path / "out", "-o", tmp_path / "back")
    back = {"a/one.edf", "b/c/two.bdf", "same.edf", "same.bdf"}
    assert below(tmp_path / "back") == back
    told = rows(codec("info", tmp_path / "out", "--json"))
    assert {str(Path(row["file"]).relative_to(tmp_path / "out")) for row in told} == coded


def test_nothing_is_replaced_unless_it_is_asked_for(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", night())
    (tmp_path / "a.lqc").write_text("mine")
    done = codec("encode", path, "--max-error", 0, status=1)
    assert "a.lqc: exists; --force replaces it" in done.stderr
    assert (tmp_path / "a.lqc").read_text() == "mine"
    codec("encode", path, "--max-error", 0, "--force")
    before = path.read_bytes()
    assert "exists" in codec("decode", tmp_path / "a.lqc", status=1).stderr
    assert path.read_bytes() == before
    assert below(tmp_path) == {"a.edf", "a.lqc"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--model is needed"),
        (("--prdn", "10"), "--model is needed"),
        (("--max-error", "1", "--cr", "3"), "--max-error and --cr exclude each other"),
        (("--max-error", "-1"), "must be a whole number of digital units"),
        (("-m", "nobody@prod"), "--model nobody@prod"),
        (("-m", "nobody@prod"), "set DAGSTER_HOME to another one"),
        (("-m", "0123456789ab"), "has none such"),
        (("-m", "."), "is not a checkpoint of a codec"),
        (("--max-error", "0", "--identity", "maybe"), "--identity 'maybe': must be strip or keep"),
        (("--max-error", "0", "-o", "x.zip"), "must end in .lqc"),
    ],
)
def test_what_makes_no_sense_is_status_2(
    words: tuple[str, ...], said: str, codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "a.edf", night())
    assert said in codec("encode", path, *words, status=2).stderr
    assert below(tmp_path) == {"a.edf"}


def test_a_model_is_found_by_name_by_digest_and_by_what_the_file_says(
    codec: Codec, checkpoint: Path, stored: str, home: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, "a.edf", night())
    registry = ModelRegistry(home / "store" / "registry")
    said = {"inputs": {}, "verdict": stored, "passed": True, "floors": [], "figures": {}}
    registry.register("codec", candidate=stored, license="MIT", run="r", **said)  # type: ignore[arg-type]
    made = []
    for name in ("codec@1", stored[:12], str(checkpoint)):
        codec("encode", path, "-m", name, "--prdn", 25, "--force")
        made.append((tmp_path / "a.lqc").read_bytes())
    assert made[0] == made[1] == made[2]
    codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.edf")
    codec("decode", tmp_path / "a.lqc", "-m", checkpoint, "-o", tmp_path / "c.edf")
    assert (tmp_path / "b.edf").read_bytes() == (tmp_path / "c.edf").read_bytes()


def test_the_model_that_is_missing_is_named(codec: Codec, checkpoint: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", night())
    codec("encode", path, "-m", checkpoint, "--prdn", 25)
    model = rows(codec("info", tmp_path / "a.lqc", "--json"))[0]["groups"][0]["model"]
    done = codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.edf", status=1)
    assert f"SHA-256 {model}..." in done.stderr and "--model" in done.stderr
    assert below(tmp_path) == {"a.edf", "a.lqc"}


def test_damage_is_found_and_said(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", night())
    codec("encode", path, "--max-error", 0)
    assert "whole, every sample" in codec("verify", tmp_path / "a.lqc", "--against", path).stdout
    data = bytearray((tmp_path / "a.lqc").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.lqc").write_bytes(bytes(data))
    assert "group 0" in codec("verify", tmp_path / "a.lqc", status=1).stderr
    said = codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.edf", status=1).stderr
    assert "group 0, chunk" in said and "--damaged keep writes the rest" in said
    assert below(tmp_path) == {"a.edf", "a.lqc"}


def test_what_is_not_damaged_can_be_had(
    codec: Codec, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "a.edf", night())
    codec("encode", path, "--max-error", 0)
    with ChunkReader(tmp_path / "a.lqc") as reader:
        at = (tmp_path / "a.lqc").read_bytes().index(reader.chunk(0, 0))
    data = bytearray((tmp_path / "a.lqc").read_bytes())
    data[at + 9] ^= 1
    (tmp_path / "a.lqc").write_bytes(bytes(data))
    words = ("decode", tmp_path / "a.lqc", "--damaged", "keep", "--json", "-o")
    done = codec(*words, tmp_path / "b.edf", status=1)
    assert "a.lqc: signal 0: 0 s to 12 s is damaged" in done.stderr
    assert rows(done)[0]["damaged"] == [{"signal": 0, "from_s": 0.0, "to_s": 12.0}]
    with pyedflib.EdfReader(str(tmp_path / "b.edf")) as file:
        assert np.array_equal(file.readSignal(2, digital=True), walk(3, 128, 12).ravel())
        assert len(set(file.readSignal(0, digital=True))) == 1
    for more, status, said in (
        ((), 1, "--damaged keep writes the rest"),
        (("--damaged", "keep"), 1, "0 s to 12 s is damaged"),
        (("--damaged", "keep"), 1, "exists; --force"),
        (("--signal", "1", "--force"), 0, "not in it: --signal 0 (4 channels at 64 Hz)"),
    ):
        command = ["lqc", "decode", str(tmp_path / "a.lqc"), str(tmp_path / "x.npy"), *more]
        monkeypatch.setattr(sys, "argv", command)
        assert main() == status
        assert said in "".join(capsys.readouterr())


def test_what_was_repaired_is_said_in_words(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", replace(night(), count="60"))
    assert "; 1 repair: holds 12 of 60 s" in codec("encode", path, "--max-error", 0).stdout
    assert "repaired: holds 12 of 60 s" in codec("info", tmp_path / "a.lqc").stdout


def test_limits_of_24_bits_are_no_edf(codec: Codec, tmp_path: Path) -> None:
    small = eeg("Fp1", 1, dmin="-8388608", dmax="8388607")
    codec("encode", written(tmp_path, "a.bdf", Edf([small], width=3)), "--max-error", 0)
    said = codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.edf", status=1).stderr
    assert "digital minimum of Fp1: -8388608 does not fit into 16 bits; write .bdf" in said
    assert not (tmp_path / "b.edf").exists()
    codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.bdf")


def test_a_place_that_takes_nothing_is_named(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", night())
    said = codec("encode", path, "--max-error", 0, "-o", "/proc/x.lqc", status=1).stderr
    assert "/proc/x.lqc: cannot be written: No such file or directory" in said
    missing = tmp_path / "none.edf"
    said = codec("encode", missing, "--max-error", 0, status=1).stderr
    assert said.count(str(missing)) == 1, said
    said = codec("compare", missing, path, status=1).stderr
    assert str(missing) in said and str(path) not in said


def test_another_recording_is_not_taken_for_the_original(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", Edf([eeg("Fp1", 1), eeg("Fp2", 2)]))
    changed = walk(2)
    changed[3, 5] += 1
    other = written(tmp_path, "b.edf", Edf([eeg("Fp1", 1), eeg("Fp2", 2, digital=changed)]))
    codec("encode", path, "--max-error", 0)
    said = codec("verify", tmp_path / "a.lqc", "--against", other, status=1).stderr
    assert "max_error: differs by more than was promised, 0 units: Fp2 by 1 units" in said


def test_figures_are_those_of_the_samples(codec: Codec, checkpoint: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", night())
    codec("encode", path, "-m", checkpoint, "--prdn", 20)
    found = rows(
        codec(
            *("compare", path, tmp_path / "a.lqc", "-m", checkpoint),
            *("--picture", tmp_path / "worst.png", "--json"),
        )
    )
    x = np.stack([walk(n, 64, 12).ravel() for n in (1, 2, 4, 6)]).astype(float)
    codec("decode", tmp_path / "a.lqc", "-m", checkpoint, "-o", tmp_path / "y.npy")
    y = np.load(tmp_path / "y.npy")
    error = 100 * np.sqrt(((x - y) ** 2).sum(1) / ((x - x.mean(1, keepdims=True)) ** 2).sum(1))
    assert [row["prdn"] for row in found["channels"]] == pytest.approx(error.tolist())
    assert found["other_signals"] == {"n": 2, "exact": 2}
    assert found["cr"] == pytest.approx(9240 / (tmp_path / "a.lqc").stat().st_size)
    assert (tmp_path / "worst.png").read_bytes()[:4] == b"\x89PNG"
    codec("decode", tmp_path / "a.lqc", "-m", checkpoint, "-o", tmp_path / "y.edf")
    again = rows(codec("compare", path, tmp_path / "y.edf", "--json"))
    assert (again["prdn"], again["bands"], again["cr"]) == (found["prdn"], found["bands"], None)


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    records = 3600
    signals = [eeg(f"E{n}", n, digital=walk(n, 64, records)) for n in range(1, 21)]
    written(tmp_path, "long.edf", Edf(signals, records=records))
    command = [*BLUT, "codec", "encode", str(tmp_path), "--max-error", "0", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, below(tmp_path)) == (130, {"long.edf"}), said


def test_a_share_is_told_of_what_is_at_work() -> None:
    meter = BatchMeter(4)
    meter.done = 1
    meter.at("a", 5, 10)
    assert meter.share() == pytest.approx(0.375)
