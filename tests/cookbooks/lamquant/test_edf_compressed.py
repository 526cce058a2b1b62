"""Compressed recordings, long records, files that change: what is read of them, and with how much memory."""

import gzip
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from cookbooks.lamquant.formats.edf import compressed
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import ReadOptions, open_edf, read_edf
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.edf_quirks import FOUR, bdf, four
from tests.cookbooks.lamquant.edf_writer import Edf, Sig, lists, walk

PLAIN = Edf([*four(), lists()], reserved="EDF+C").bytes()
SAMPLES = np.stack([walk(seed).reshape(-1) for seed in range(4)])


def file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["x.edf.gz", "x.EDF.GZ", "x.edf"])
def test_a_compressed_recording_is_read_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    recording = read_edf(file(tmp_path / name, gzip.compress(PLAIN)))
    assert np.array_equal(recording.digital, SAMPLES)


def test_a_name_that_says_gz_may_hold_a_plain_file_and_bdf_is_read_too(tmp_path: Path) -> None:
    assert np.array_equal(read_edf(file(tmp_path / "x.edf.gz", PLAIN)).digital, SAMPLES)
    wide = Edf(bdf(), width=3).bytes()
    packed = read_edf(file(tmp_path / "x.bdf.gz", gzip.compress(wide)))
    assert np.array_equal(packed.digital, read_edf(file(tmp_path / "x.bdf", wide)).digital)


def test_members_behind_each_other_are_one_file_and_what_follows_is_not(tmp_path: Path) -> None:
    packed = gzip.compress(PLAIN[:1500]) + gzip.compress(PLAIN[1500:])
    for tail in (b"", b"\0" * 512, b"Quendelheim, Ottilie"):
        assert np.array_equal(read_edf(file(tmp_path / "x.edf.gz", packed + tail)).digital, SAMPLES)


def test_what_follows_the_last_member_is_counted(tmp_path: Path) -> None:
    tails = {b"": 0, b"\0" * 512: 0, b"Quendelheim": 11, b"\0\0\x1f": 1, b"\0" * 9 + b"x" * 3000: 3000}
    for tail, count in tails.items():
        with open_edf(file(tmp_path / "x.edf.gz", gzip.compress(PLAIN) + tail)) as recording:
            assert recording.trailing_bytes == count, tail[:12]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100, 1 << 20])
@pytest.mark.parametrize("zeros", [0, 1, 3, 512])
def test_members_are_found_wherever_a_read_ends(
    chunk: int, zeros: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "CHUNK", chunk)
    members = [gzip.compress(PLAIN[at : at + 700]) + bytes(zeros) for at in range(0, len(PLAIN), 700)]
    packed = gzip.compress(b"").join(members)
    assert gzip.decompress(packed) == PLAIN
    with open_edf(file(tmp_path / "x.edf.gz", packed), ReadOptions(repair="refuse")) as recording:
        assert np.array_equal(recording.read(recording.segments[0]), SAMPLES)
        assert recording.trailing_bytes == 0


def test_a_compressed_file_that_breaks_off_loses_its_last_records_only(tmp_path: Path) -> None:
    packed = gzip.compress(PLAIN)
    with open_edf(file(tmp_path / "x.edf.gz", packed[: len(packed) * 3 // 4])) as cut:
        n = cut.n_samples
        assert 0 < n < SAMPLES.shape[1] and n % 64 == 0
        assert np.array_equal(cut.read(cut.segments[0]), SAMPLES[:, :n])
        assert [one.field for one in cut.repairs] == ["number of data records"]
    with pytest.raises(BadRecording, match="repair: record"):
        open_edf(tmp_path / "x.edf.gz", ReadOptions(repair="refuse"))


def test_a_compressed_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(PLAIN))
    packed[-8] ^= 1  # its checksum
    with pytest.raises(BadRecording, match="gzip: damaged"):
        open_edf(file(tmp_path / "x.edf.gz", bytes(packed)))
    with pytest.raises(BadRecording, match="inside gzip"):
        open_edf(file(tmp_path / "y.edf.gz", gzip.compress(gzip.compress(PLAIN))))
    with pytest.raises(BadRecording, match="neither EDF"):
        open_edf(file(tmp_path / "z.edf.gz", gzip.compress(b"something else" * 100)))
    with pytest.raises(BadRecording, match="header: truncated"):
        open_edf(file(tmp_path / "w.edf.gz", packed[:200]))


@pytest.mark.parametrize(("count", "most"), [("6", 8 << 20), ("-1", 64 << 20)])
def test_a_bomb_is_not_inflated(
    count: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "SLACK", 4 << 20)
    packer = zlib.compressobj(9, wbits=31)
    head = Edf([*four(), lists()], count=count).bytes()
    packed = (
        packer.compress(head) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    )
    written = []
    write = os.statvfs

    def seen(descriptor: int) -> os.statvfs_result:
        written.append(os.fstat(descriptor).st_size)
        return write(descriptor)

    monkeypatch.setattr(os, "statvfs", seen)
    with pytest.raises(BadRecording, match="far more than its header promises"):
        open_edf(file(tmp_path / "x.edf.gz", packed), scratch=tmp_path)
    assert max(written) < most
    assert [one.name for one in tmp_path.iterdir()] == ["x.edf.gz"]


def test_what_is_inflated_has_no_name_and_goes(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_edf(file(tmp_path / "x.edf.gz", gzip.compress(PLAIN)), scratch=scratch) as recording:
        assert list(scratch.iterdir()) == []
        assert recording.n_samples == SAMPLES.shape[1]
    with pytest.raises(BadRecording, match=r"gzip: cannot be decompressed.*make room"):
        open_edf(tmp_path / "x.edf.gz", scratch=tmp_path / "absent")


def test_no_room_for_what_is_inflated_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 100)
    monkeypatch.setattr(compressed, "SLACK", 1 << 60)
    path = file(tmp_path / "x.edf.gz", gzip.compress(PLAIN))
    with pytest.raises(BadRecording, match="no room to decompress"):
        open_edf(path)


def test_a_record_of_any_length_is_read_block_by_block(tmp_path: Path) -> None:
    n = 700_000
    signals = [Sig(label, walk(seed, n, 2)) for seed, label in enumerate(FOUR)]
    path = file(tmp_path / "x.edf", Edf(signals, records=2, duration="2734.375").bytes())
    expected = np.stack([one.digital.reshape(-1) for one in signals if one.digital is not None])
    with open_edf(path) as recording:
        assert recording.rate_hz == 256
        for start, stop in ((0, 1), (n - 3, n + 5), (n, 2 * n), (2 * n - 1, 2 * n)):
            got = recording.read(recording.segments[0], start, stop)
            assert np.array_equal(got, expected[:, start:stop])
        blocks = list(recording.blocks(recording.segments[0], 300_001))
    assert [block.shape[1] for block in blocks] == [300_001] * 4 + [2 * n - 4 * 300_001]
    assert np.array_equal(np.concatenate(blocks, axis=1), expected)


def test_a_file_that_becomes_shorter_is_refused_and_not_padded(tmp_path: Path) -> None:
    path = file(tmp_path / "x.edf", PLAIN)
    with open_edf(path) as recording:
        os.truncate(path, len(PLAIN) - 100)
        with pytest.raises(BadRecording, match="became shorter while it was read"):
            recording.read(recording.segments[0])


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """Sixty-four channels of half an hour are 60 MB as integers of the file, and 120 MB in memory."""
    one = walk(0, 256, 60)
    signals = [Sig(f"E{index}", np.tile(one, (30, 1))) for index in range(1, 65)]
    path = file(tmp_path / "x.edf", Edf(signals, records=1800).bytes())
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from cookbooks.lamquant.formats.edf.recording import open_edf\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with open_edf(Path(sys.argv[1])) as file:\n"
        "    n = sum(block.shape[1] for block in file.blocks(file.segments[0], 256))\n"
        "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, cwd=REPOSITORY
    )
    n, grown = map(int, done.stdout.split())
    assert n == 1800 * 256
    assert grown * 1024 < 64 << 20
