"""A file is held to what was asked of it, and its original to what the file says."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.container.writer import Writer
from tests.cookbooks.lamquant.codec_command.conftest import Codec, rows
from tests.cookbooks.lamquant.codec_command.recordings import night, written
from tests.cookbooks.lamquant.edf_writer import Edf, eeg, walk


def asking(path: Path, asked: dict[str, Any] | None) -> None:
    """Change what a file says that was asked of it."""
    out = io.BytesIO()
    with ChunkReader(path) as reader:
        facts = {name: value for name, value in reader.header.facts.items() if name != "asked"}
        header = replace(reader.header, facts=facts if asked is None else {**facts, "asked": asked})
        writer, next_of = Writer(out, header), [0] * len(header.groups)
        while (group := writer.due()) is not None:
            writer.chunk(group, reader.chunk(group, next_of[group]))
            next_of[group] += 1
        writer.close()
    path.write_bytes(out.getvalue())


@pytest.fixture
def coded(codec: Codec, checkpoint: Path, tmp_path: Path) -> Path:
    """A recording with loss, beside its original."""
    codec("encode", written(tmp_path, "a.edf", night()), "-m", checkpoint, "--prdn", 30)
    return tmp_path / "a.lqc"


def test_what_was_asked_is_said_and_kept(codec: Codec, checkpoint: Path, coded: Path) -> None:
    words = ("verify", coded, "--against", coded.with_suffix(".edf"), "-m", checkpoint)
    assert "asked: prdn 30, kept" in codec(*words).stdout
    assert rows(codec(*words, "--json"))[0]["asked"] == {"prdn": 30}


@pytest.mark.parametrize(
    "asked", [{"prdn": 0.5}, {"noise_ratio": 0.001}, {"max_error": 1}, {"cr": 900.0}, {"bitrate": 8.0}]
)
def test_a_promise_that_is_not_kept_is_refused(
    asked: dict[str, float], codec: Codec, checkpoint: Path, coded: Path
) -> None:
    asking(coded, asked)
    said = codec("verify", coded, "--against", coded.with_suffix(".edf"), "-m", checkpoint, status=1).stderr
    name, value = next(iter(asked.items()))
    assert f"{name}: " in said and f"{value:g}" in said and "promised" in said and "encode it again" in said


def test_a_file_without_a_promise_says_so(
    codec: Codec, checkpoint: Path, coded: Path, tmp_path: Path
) -> None:
    asking(coded, None)
    words = ("verify", coded, "--against", coded.with_suffix(".edf"), "-m", checkpoint)
    assert "the file holds no promise" in codec(*words).stdout
    asking(coded, {"speed": 3})
    assert "is no target" in codec(*words, status=1).stderr


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Edf([eeg(f"Fp{n}", n, digital=walk(n, 64, 9)) for n in (1, 2)], records=9), "length of Fp1"),
        (Edf([eeg("Fp1", 1), eeg("Fp2", 2), eeg("C3", 3)]), "channels: 2 in the file, 3 in the original"),
        (Edf([eeg("Fp1", 1)]), "channels: 2 in the file, 1 in the original"),
        (Edf([eeg("Fp1", 1, digital=walk(1, 32)), eeg("Fp2", 2, digital=walk(2, 32))]), "rate of Fp1"),
        (Edf([eeg("Fp1", 4), eeg("Fp2", 5)]), "another recording"),
    ],
)
def test_an_original_of_another_recording_is_found(
    other: Edf, said: str, codec: Codec, checkpoint: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, "a.edf", Edf([eeg("Fp1", 1), eeg("Fp2", 2)]))
    codec("encode", path, "--cr", 3, "-m", checkpoint)
    place = written(tmp_path, "b.edf", other)
    assert said in codec("verify", tmp_path / "a.lqc", "-m", checkpoint, "--against", place, status=1).stderr


def test_channels_that_were_left_out_are_no_fault(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "a.edf", night())
    codec("encode", path, "--max-error", 0, "--only-eeg")
    assert "asked: max_error 0, kept" in codec("verify", tmp_path / "a.lqc", "--against", path).stdout
