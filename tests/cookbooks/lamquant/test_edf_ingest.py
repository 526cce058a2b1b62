"""EDF and BDF files to a corpus: what goes in comes out, what is broken is named, identity stays out."""

import datetime
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import edfio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from blut_resources.files.digest import digest_path
from cookbooks.lamquant.encoding import encode as encode_module
from cookbooks.lamquant.encoding import workers
from cookbooks.lamquant.formats.corpus import CorpusError, read_corpus
from cookbooks.lamquant.formats.edf.discovery import find_recordings
from cookbooks.lamquant.formats.edf.names import stems_of
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import EdfFile, ReadOptions, open_edf, read_edf
from cookbooks.lamquant.formats.lma.archive import read_lma
from cookbooks.lamquant.formats.lma.names import name_problem
from cookbooks.lamquant.formats.lml.container import decode_lml
from cookbooks.lamquant.payload import lma_encode
from tests.cookbooks.lamquant.split_corpora import read_recording

ROOT = Path(__file__).resolve().parents[3]
NAME, CODE, TECHNICIAN = "Lovelace_Ada", "MRN-4711-0815", "Nurse_Ratched"


def wave(n_channels: int, n_samples: int, seed: int = 0, reach: int = 3000) -> NDArray[np.int16]:
    """A random walk with noise: smooth enough to compress, with no two channels alike."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, reach / 100, (n_channels, n_samples)).cumsum(axis=1)
    return np.clip(np.rint(steps), -reach, reach).astype(np.int16)


def edf_signals(digital: NDArray[np.int16], rate: float = 100, labels: list[str] | None = None, **more: Any):
    options = {"physical_dimension": "uV", "physical_range": (-1000, 1000), "digital_range": (-32000, 32000)}
    names = labels or [f"EEG C{index}" for index in range(len(digital))]
    return [
        edfio.EdfSignal.from_digital(row, rate, label=name, **(options | more))
        for row, name in zip(digital, names, strict=True)
    ]


def write_edf(path: Path, signals: list[Any], **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    edfio.Edf(signals, data_record_duration=1, **more).write(path)
    return path


def simple(path: Path, seed: int = 0, n_samples: int = 500) -> Path:
    return write_edf(path, edf_signals(wave(2, n_samples, seed)))


def patch(path: Path, offset: int, text: str | bytes, width: int = 8) -> None:
    """Overwrite a header field."""
    data = bytearray(path.read_bytes())
    value = text if isinstance(text, bytes) else text.encode()
    data[offset : offset + width] = value.ljust(width)
    path.write_bytes(data)


def signal_field(n_signals: int, before: int, index: int, width: int = 8) -> int:
    """Offset of a signal's header field that ``before`` bytes per signal precede."""
    return 256 + n_signals * before + index * width


@pytest.fixture
def encode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def run(
        recordings: Path,
        out: str = "corpus",
        work: str | None = None,
        earlier: Path | None = None,
        **config: Any,
    ) -> Path:
        before = {"earlier": str(earlier)} if earlier else {}
        frozen = {
            "schema": 1,
            "fingerprint": "f",
            "config": config,
            "inputs": {"recordings": str(recordings), **before},
            "out": str(tmp_path / out),
            "work": str(tmp_path / (work or f"{out}-work")),
        }
        path = tmp_path / f"{out}.json"
        path.write_text(json.dumps(frozen))
        monkeypatch.setattr(sys, "argv", ["lma_encode", "--config", str(path)])
        lma_encode.main()
        return tmp_path / out

    return run


def facts(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return events[-1]["facts"]


def plaintext(corpus: Path) -> bytes:
    """Everything a reader of the corpus could see: index, names, sidecars, payload metadata."""
    parts = [path.read_bytes() + str(path.relative_to(corpus)).encode() for path in corpus.rglob("*.json")]
    for path in corpus.rglob("*.lma"):
        archive = read_lma(path)
        parts += [path.read_bytes(), *(archive.read(name) for name in archive.names)]
    return b"\n".join(parts)


def test_a_corpus_gives_back_every_sample_of_edf_and_bdf(tmp_path: Path, encode: Any, capsys: Any) -> None:
    source = tmp_path / "in"
    digital = wave(3, 2200)
    write_edf(source / "p1/p1_a.edf", edf_signals(digital, physical_range=(-500, 1500)))
    rng = np.random.default_rng(1)
    wide = rng.integers(-(2**23), 2**23 - 1, (2, 1024)).astype(np.int32)
    bdf = [
        edfio.BdfSignal.from_digital(
            row, 512, label=name, physical_dimension="uV", physical_range=(-262144, 262143)
        )
        for row, name in zip(wide, ["A1", "A2"], strict=True)
    ]
    (source / "p2").mkdir()
    edfio.Bdf(bdf, data_record_duration=1).write(source / "p2/p2_b.BDF")

    corpus = encode(source)

    result = facts(capsys)
    assert (result["n_archives"], result["n_refused"], result["n_subjects"]) == (2, 0, 2)
    assert result["n_samples"] == digital.size + wide.size
    first = read_recording(corpus, "p1__p1_a")
    reference = edfio.read_edf(source / "p1/p1_a.edf")
    assert np.array_equal(first.digital, [signal.digital for signal in reference.signals])
    np.testing.assert_allclose(first.microvolts, [signal.data for signal in reference.signals], atol=1e-9)
    assert (first.subject, first.rate_hz, first.channels) == ("p1", 100.0, ["EEG C0", "EEG C1", "EEG C2"])
    assert np.array_equal(read_recording(corpus, "p2__p2_b").digital, wide)
    assert [entry["bit_depth"] for entry in read_corpus(corpus)["recordings"]] == [16, 24]


def seen(path: Path, **options: Any) -> EdfFile:
    """A recording after it was closed: what is known of it but for its samples."""
    with open_edf(path, ReadOptions(**options)) as file:
        return file


def test_annotations_other_rates_and_channels_that_are_not_eeg_are_left_out_by_name(tmp_path: Path) -> None:
    eeg = edf_signals(wave(2, 400), 200, ["EEG Fp1", "EEG Cz"])
    slow = edf_signals(wave(1, 200), 100, ["EEG Oz"])
    heart = edf_signals(wave(1, 400), 200, ["ECG"])
    warm = edf_signals(wave(1, 400), 200, ["Skin"], physical_dimension="degC")
    marks = [edfio.EdfAnnotation(0.5, None, "eyes open")]
    path = write_edf(tmp_path / "x.edf", [heart[0], eeg[0], slow[0], warm[0], eeg[1]], annotations=marks)

    recording = read_edf(path)

    assert recording.channels == ["EEG Fp1", "EEG Cz"]
    assert np.array_equal(recording.digital, wave(2, 400))
    reasons = {item.label: item.reason for item in seen(path).left_out}
    assert set(reasons) == {"ECG", "EEG Oz", "Skin"}
    assert "100 Hz" in reasons["EEG Oz"] and "does not" in reasons["Skin"]


@pytest.mark.parametrize(
    ("dimension", "factor"),
    [("uV", 1.0), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3), ("µV".encode("latin-1"), 1.0)],
)
def test_the_physical_dimension_is_turned_into_microvolts(
    tmp_path: Path, dimension: str | bytes, factor: float
) -> None:
    path = write_edf(tmp_path / "x.edf", edf_signals(wave(1, 100)))
    patch(path, signal_field(1, 16 + 80, 0), dimension)
    recording = read_edf(path)
    assert recording.scale[0] == pytest.approx(factor * 2000 / 64000)


@pytest.mark.parametrize(
    ("label", "kept"),
    [("EEG EKG1-REF", 0), ("EEG FP1-REF", 1), ("PO3", 1), ("Pos", 0), ("-", 0), ("17", 0), ("LOC-ROC", 0)],
)
def test_eeg_is_told_by_label_and_unit(tmp_path: Path, label: str, kept: int) -> None:
    path = write_edf(
        tmp_path / "x.edf",
        edf_signals(wave(2, 100), labels=[f"{label[:4] * label.startswith('EEG')}Cz", label]),
    )
    assert len(read_edf(path).channels) == 1 + kept


def test_a_channel_without_a_voltage_is_left_out_by_name_and_the_others_stay(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "x.edf", edf_signals(wave(2, 100), labels=["Cz", "Pz"]))
    patch(path, signal_field(2, DIM, 1), "")
    assert [(item.label, item.reason) for item in seen(path).left_out] == [
        ("Pz", "has no unit, so microvolts cannot be derived")
    ]
    patch(path, signal_field(2, DIM, 0), "furlong")
    with pytest.raises(BadRecording, match=r"no EEG channel: Cz \(its unit is not a voltage") as caught:
        read_edf(path)
    assert "furlong" not in str(caught.value)


def test_two_channels_of_one_name_stay_two(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "x.edf", edf_signals(wave(2, 100), labels=["T8-P8", "T8-P8"]))
    assert read_edf(path).channels == ["T8-P8", "T8-P8 (2)"]


def header_case(offset: int, value: str, width: int = 8) -> Callable[[Path], None]:
    return lambda path: patch(path, offset, value, width)


def cut_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:400])


def no_data(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 3 * 256])


def random_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all.edf")


DIM, COUNT = 96, 216
BROKEN = {
    "truncated header": (cut_header, "header", "400 of 768", "copy"),
    "header without data": (no_data, "data records", "holds 0.00", "copy"),
    "empty file": (lambda path: path.write_bytes(b""), "file", "empty", "copy"),
    "random bytes": (random_bytes, "version", "neither EDF's nor BDF's", "convert"),
    "a directory": (directory, "file", "is a directory", "rename"),
    "a dangling link": (dangling, "file", "cannot be read", "permission"),
    "no signals": (header_case(252, "0", 4), "number of signals", "0", "export"),
    "signals not a number": (header_case(252, "abc", 4), "number of signals", "not a whole", "export"),
    "too many signals": (header_case(252, "3", 4), "samples per data record", "not a whole", "export"),
    "record duration": (header_case(244, "0"), "duration of a data record", "no sampling rate", "export"),
    "record duration NaN": (header_case(244, "nan"), "duration of a data record", "no sampling", "export"),
    "samples per record": (
        header_case(signal_field(2, COUNT, 1), "many"), "samples per data record", "not a whole", "export"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_recording_names_file_field_and_remedy(tmp_path: Path, case: str) -> None:
    damage, field, problem, remedy = BROKEN[case]
    path = simple(tmp_path / "subject.edf")
    damage(path)
    with pytest.raises(BadRecording) as caught:
        read_edf(path)
    bad = caught.value
    assert bad.file == str(path)
    assert bad.field.startswith(field)
    assert problem in bad.problem
    assert remedy in bad.remedy
    assert all(part in str(bad) for part in (str(path), field, remedy))


def test_a_recording_without_eeg_says_what_its_signals_are(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "sleep.edf", edf_signals(wave(2, 100), labels=["ECG", "Resp chest"]))
    with pytest.raises(BadRecording, match=r"no EEG channel: ECG .*Resp chest"):
        read_edf(path)
    notes = tmp_path / "notes.edf"
    edfio.Edf([], annotations=[edfio.EdfAnnotation(0, None, "x")]).write(notes)
    with pytest.raises(BadRecording, match="annotations only"):
        read_edf(notes)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = simple(tmp_path / "x.edf")
    path.chmod(0)
    with pytest.raises(BadRecording, match=r"Permission denied.*give this user permission"):
        read_edf(path)


def test_recordings_are_found_in_every_directory_and_any_case(tmp_path: Path) -> None:
    for name in ("b/2.EDF", "a/1.edf", "a/x/3.bdf", "a/._1.edf", "a/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "a/loop").symlink_to(tmp_path)
    assert find_recordings(tmp_path).names == ["a/1.edf", "a/x/3.bdf", "b/2.EDF"]


def test_one_bad_file_among_good_ones_costs_only_itself(tmp_path: Path, encode: Any) -> None:
    source = tmp_path / "in"
    for index in range(3):
        simple(source / f"p{index}/x.edf", seed=index)
    no_data(source / "p1/x.edf")
    (source / "p2/empty.edf").touch()
    corpus = encode(source)
    index = read_corpus(corpus)
    assert [entry["stem"] for entry in index["recordings"]] == ["p0__x", "p2__x"]
    refused = {item["file"]: item for item in index["refused"]}
    assert set(refused) == {"p1/x.edf", "p2/empty.edf"}
    assert refused["p1/x.edf"]["field"] == "data records" and "copy" in refused["p1/x.edf"]["remedy"]
    assert str(tmp_path) not in (corpus / "corpus.json").read_text()


def test_the_number_of_refused_recordings_is_a_fact_of_the_corpus(
    tmp_path: Path, encode: Any, capsys: Any
) -> None:
    simple(tmp_path / "in/p/good.edf")
    (tmp_path / "in/p/bad.edf").write_bytes(b"no recording")
    encode(tmp_path / "in")
    result = facts(capsys)
    assert (result["n_archives"], result["n_refused"], result["synthetic"]) == (1, 1, False)


def test_a_directory_without_recordings_says_what_was_looked_for(tmp_path: Path, encode: Any) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "readme.txt").touch()
    with pytest.raises(SystemExit, match=r"empty: no recordings: looked for \*\.edf and \*\.bdf.*point"):
        encode(empty)
    with pytest.raises(SystemExit, match=r"input recordings: there is nothing at .*absent; give a path"):
        encode(tmp_path / "absent")


def test_recordings_that_are_all_bad_fail_with_the_reasons(tmp_path: Path, encode: Any) -> None:
    for index in range(7):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / f"in/{index}.edf").touch()
    with pytest.raises(SystemExit) as caught:
        encode(tmp_path / "in")
    text = str(caught.value)
    assert "none of the 7 recordings" in text and "0.edf: file: is empty" in text and "and 2 more" in text
    assert not (tmp_path / "corpus/corpus.json").exists()


@pytest.mark.parametrize("config", [{"identity": "maybe"}, {"workers": 0}, {"limit": -1}])
def test_a_config_value_out_of_range_is_refused_by_name(tmp_path: Path, encode: Any, config: Any) -> None:
    simple(tmp_path / "in/x.edf")
    with pytest.raises(SystemExit, match=next(iter(config))):
        encode(tmp_path / "in", **config)


def test_limit_takes_the_first_recordings_by_name(tmp_path: Path, encode: Any) -> None:
    for name in ("c", "a", "b"):
        simple(tmp_path / f"in/{name}/x.edf")
    corpus = read_corpus(encode(tmp_path / "in", limit=2))
    assert [entry["subject"] for entry in corpus["recordings"]] == ["a", "b"]


def identified(path: Path) -> Path:
    patient = edfio.Patient(code=CODE, sex="F", birthdate=datetime.date(1815, 12, 10), name=NAME)
    recording = edfio.Recording(
        startdate=datetime.date(2001, 7, 5),
        hospital_administration_code="EEG-0042",
        investigator_technician_code=TECHNICIAN,
        equipment_code="Engine_No2",
    )
    marks = [edfio.EdfAnnotation(1, None, f"call {NAME}")]
    return write_edf(path, edf_signals(wave(2, 500)), patient=patient, recording=recording, annotations=marks)


SECRETS = [NAME, CODE, TECHNICIAN, "10-DEC-1815", "05-JUL-2001", "05.07.01", "EEG-0042", "Engine_No2"]


def test_identity_is_in_no_byte_of_the_corpus_unless_kept(tmp_path: Path, encode: Any, capsys: Any) -> None:
    identified(tmp_path / "in/x.edf")
    stripped = encode(tmp_path / "in")
    assert read_corpus(stripped)["identity"] == facts(capsys)["identity"] == "stripped"
    seen = plaintext(stripped)
    assert [secret for secret in SECRETS if secret.encode() in seen] == []
    subject = read_corpus(stripped)["recordings"][0]["subject"]
    assert subject.startswith("p") and len(subject) == 13

    kept = encode(tmp_path / "in", "kept", identity="keep")
    assert read_corpus(kept)["identity"] == facts(capsys)["identity"] == "kept"
    assert NAME.encode() in plaintext(kept)
    assert decode_lml(read_lma(kept / "archives/x.lma").read("x.lml")).metadata["patient_id"].startswith(CODE)


def test_no_message_and_no_repr_shows_identity(tmp_path: Path) -> None:
    path = identified(tmp_path / "x.edf")
    assert not any(secret in repr(seen(path, keep_identity=True)) for secret in SECRETS)
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(BadRecording) as caught:
        read_edf(path)
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_stems_stay_apart_where_paths_would_collide() -> None:
    paths = [
        PurePosixPath(name) for name in ("a/b.edf", "a__b.edf", "A/B.bdf", "c:d.edf", "x" * 250 + ".edf")
    ]
    stems = list(stems_of(paths).values())
    assert stems[:4] == ["a__b", "a__b-2", "A__B-3", "c_d"]
    assert len(stems[4]) <= 180


NAMES = st.lists(
    st.one_of(
        st.text(st.characters(blacklist_characters="\0"), min_size=1, max_size=300),
        st.from_regex(
            r"(con|AUX|prn|Nul|com[0-9\u00b9]|LPT1|clock\$|conin\$|x|\.|/)( ){0,2}(\.x|\.|/){0,2}",
            fullmatch=True,
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(NAMES)
def test_every_stem_is_a_name_that_an_archive_takes_and_no_two_are_alike(names: list[str]) -> None:
    paths = [PurePosixPath(f"{name}.edf") for name in names]
    stems = stems_of(paths)
    assert [name_problem(stem) for stem in stems.values()] == [None] * len(stems)
    assert [name_problem(f"{stem}.lma") for stem in stems.values()] == [None] * len(stems)
    assert len({stem.casefold() for stem in stems.values()}) == len(set(paths))
    assert all(len(stem.encode()) < 200 and "/" not in stem for stem in stems.values())


def test_recordings_that_are_called_like_devices_are_encoded(tmp_path: Path, encode: Any) -> None:
    names = ["AUX", "a. ", "com1", "con", "nul.x", "prn"]
    for number, name in enumerate(names):
        simple(tmp_path / f"in/{name}.edf", number)
    index = read_corpus(encode(tmp_path / "in"))
    assert index["refused"] == []
    assert sorted(one["recording"] for one in index["recordings"]) == sorted(
        ["_AUX", "a__", "_com1", "_con", "_nul.x", "_prn"]
    )


def test_the_same_recordings_give_the_same_corpus_wherever_they_lie(
    tmp_path: Path, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BYTES_PER_WORKER", 1)
    here = tmp_path / "here"
    for index in range(3):
        simple(here / f"p{index}/x.edf", seed=index)
    (here / "p0/broken.edf").write_bytes(b"0       ")
    there = tmp_path / "some/where else"
    shutil.copytree(here, there)
    for path in there.rglob("*.edf"):
        os.utime(path, (1, 1))
    digests = {
        digest_path(encode(here, "first")),
        digest_path(encode(there, "second")),
        digest_path(encode(here, "third", workers=2)),
    }
    assert len(digests) == 1


def test_a_recording_changed_in_the_corpus_is_not_read(tmp_path: Path, encode: Any) -> None:
    simple(tmp_path / "in/a/x.edf", seed=1)
    simple(tmp_path / "in/b/x.edf", seed=2)
    corpus = encode(tmp_path / "in")
    index = json.loads((corpus / "corpus.json").read_text())
    index["recordings"][0]["signal_sha256"] = index["recordings"][1]["signal_sha256"]
    (corpus / "corpus.json").write_text(json.dumps(index))
    with pytest.raises(CorpusError, match="samples differ"):
        read_recording(corpus, "a__x")
    with pytest.raises(CorpusError, match="no recording 'z'"):
        read_recording(corpus, "z")
    with pytest.raises(CorpusError, match="encode the recordings again"):
        read_corpus(tmp_path / "in")


def interrupted(tmp_path: Path, n_files: int, monkeypatch: pytest.MonkeyPatch, encode: Any) -> Path:
    """Recordings whose encoding was ended before its index was written; what it finished is in `work`."""
    for index in range(n_files):
        simple(tmp_path / f"in/p{index}/x.edf", seed=index)

    def ended(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(lma_encode, "write_index", ended)
        encode(tmp_path / "in", "ended", work="work")
    return tmp_path / "in"


def test_a_damaged_leftover_of_an_earlier_attempt_is_encoded_anew(
    tmp_path: Path, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = interrupted(tmp_path, 1, monkeypatch, encode)
    good = encode(source, "fresh")
    (leftover,) = (tmp_path / "work").rglob("*.lma")
    data = bytearray(leftover.read_bytes())
    data[len(data) // 2] ^= 1
    leftover.write_bytes(data)
    assert digest_path(encode(source, "second", work="work")) == digest_path(good)


def test_an_encode_killed_in_the_middle_keeps_what_was_done(tmp_path: Path, encode: Any) -> None:
    source = tmp_path / "in"
    for index in range(6):
        simple(source / f"p{index}/x.edf", seed=index, n_samples=20_000)
    frozen = {"schema": 1, "fingerprint": "f", "config": {}, "inputs": {"recordings": str(source)}}
    frozen |= {"out": str(tmp_path / "killed"), "work": str(tmp_path / "work")}
    (tmp_path / "frozen.json").write_text(json.dumps(frozen))
    command = [sys.executable, "-m", lma_encode.__name__, "--config", str(tmp_path / "frozen.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["step"] < 2:
            pass
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed/corpus.json").exists()
    done = [note.with_suffix(".lma") for note in (tmp_path / "work").rglob("*.json")]
    inodes = {archive.stat().st_ino for archive in done}
    assert len(inodes) >= 2

    simple(source / "p0/new.edf", seed=9)  # other recordings beside them change nothing
    resumed = encode(source, "resumed", work="work")

    assert inodes <= {archive.stat().st_ino for archive in (resumed / "archives").iterdir()}
    assert digest_path(resumed) == digest_path(encode(source, "uninterrupted"))
    assert [path for path in (tmp_path / "work").rglob("*") if path.suffix in (".lma", ".json")] == []


def test_a_corpus_that_grew_encodes_what_is_new_and_is_what_it_would_be(
    tmp_path: Path, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    for index in range(4):
        simple(source / f"p{index}/x.edf", seed=index)
    before = encode(source, "before")
    simple(source / "p1/x.edf", seed=77)  # changed
    simple(source / "p9/x.edf", seed=78)  # new
    (source / "p2").rename(source / "p5")  # another name, so another subject and archive
    (source / "p3/x.edf").unlink()
    encoded: list[str] = []
    honest = encode_module.open_edf

    def watched(path: Path, *options: Any, **more: Any) -> Any:
        encoded.append(path.relative_to(source).as_posix())
        return honest(path, *options, **more)

    monkeypatch.setattr(encode_module, "open_edf", watched)
    grown = encode(source, "grown", earlier=before)
    assert sorted(encoded) == ["p1/x.edf", "p5/x.edf", "p9/x.edf"]
    inode = (before / "archives/p0__x.lma").stat().st_ino
    assert (grown / "archives/p0__x.lma").stat().st_ino == inode
    assert digest_path(grown) == digest_path(encode(source, "fresh"))


def test_an_archive_holds_the_payload_and_a_sidecar_that_agree(tmp_path: Path, encode: Any) -> None:
    simple(tmp_path / "in/p/x.edf")
    archive = read_lma(encode(tmp_path / "in") / "archives/p__x.lma")
    assert archive.names == ["meta.json", "p__x.lml"]
    meta = json.loads(archive.read("meta.json"))
    payload = archive.read("p__x.lml")
    assert meta["content_sha256_lml"] == hashlib.sha256(payload).hexdigest()
    assert meta["source_digest"] == digest_path(tmp_path / "in/p/x.edf")
    assert (meta["evidence"]["directories"], meta["identity"]) == (["p"], "stripped")


def test_a_recording_that_is_no_file_is_refused_by_name_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.edf")
    (tmp_path / "zero.edf").symlink_to("/dev/zero")
    for name in ("pipe.edf", "zero.edf"):
        with pytest.raises(BadRecording, match="is not a regular file"):
            read_edf(tmp_path / name)
