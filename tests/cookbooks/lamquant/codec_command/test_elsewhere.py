"""Files are read where Blut is not: by the exported decoder, and by MNE."""

import os
import subprocess
import venv
from datetime import UTC, datetime
from pathlib import Path

import llvmlite
import mne
import numba
import numpy as np
import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from tests.cookbooks.lamquant.codec_command.conftest import Codec
from tests.cookbooks.lamquant.codec_command.recordings import night, written


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment in which numpy and numba are all there is."""
    root = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(root, symlinks=True)
    there = next((root / "lib").glob("python3*")) / "site-packages"
    for package in (np, numba, llvmlite):
        place = Path(str(package.__file__)).parent
        (there / place.name).symlink_to(place)
    libraries = Path(str(np.__file__)).parent.parent / "numpy.libs"
    if libraries.exists():
        (there / libraries.name).symlink_to(libraries)
    return root / "bin" / "python"


def run(python: Path, directory: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    keep = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = keep | {"NUMBA_CACHE_DIR": str(directory.parent / "cache")}
    return subprocess.run(
        [python, *map(str, words)], cwd=directory, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def decoder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was exported, and `recording.lqc` beside it: what is compiled there is compiled once."""
    out = tmp_path_factory.mktemp("elsewhere") / "decoder"
    path = written(out.parent, "recording.edf", night())
    for words in (("encode", path, "-m", checkpoint, "--prdn", 25), ("export", checkpoint, out)):
        assert CliRunner().invoke(app, ["codec", *map(str, words)]).exit_code == 0
    (out.parent / "recording.lqc").rename(out / "recording.lqc")
    return out


@pytest.mark.heavy
@pytest.mark.slow
def test_the_exported_decoder_needs_neither_blut_nor_torch(
    codec: Codec, checkpoint: Path, decoder: Path, python: Path, tmp_path: Path
) -> None:
    codec("decode", decoder / "recording.lqc", "-m", checkpoint, "-o", tmp_path / "here.npy")
    assert {"README.md", "lqc", "model", "recording.lqc"} == {one.name for one in decoder.iterdir()}
    for package in ("torch", "blut_assets", "cookbooks"):
        assert run(python, decoder, "-c", f"import {package}").returncode == 1
    done = run(python, decoder, "-m", "lqc", "decode", "recording.lqc", tmp_path / "there.npy")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there.npy").read_bytes() == (tmp_path / "here.npy").read_bytes()
    told = run(python, decoder, "-m", "lqc", "info", "recording.lqc").stdout
    assert "lapped: 4 channels, 768 samples at 64 Hz" in told
    (tmp_path / "bad.lqc").write_bytes(b"not a file")
    done = run(python, decoder, "-m", "lqc", "decode", tmp_path / "bad.lqc", tmp_path / "x.npy")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "Traceback" not in done.stderr
    assert not (tmp_path / "x.npy").exists()


@pytest.mark.heavy
@pytest.mark.slow
def test_the_page_of_the_export_runs(checkpoint: Path, decoder: Path, python: Path) -> None:
    page = (decoder / "README.md").read_text()
    assert str(checkpoint) in page and "MODEL_" not in page
    *decoding, encoding = [part.partition("```")[0] for part in page.split("```python\n")[1:]]
    code = "\n".join(decoding).replace("read_seconds(600, 660)", "read_seconds(1, 2)")
    # what encodes, and what is exact, takes a minute to compile: that the names are there is enough here
    code = "\n".join(line for line in code.splitlines() if "signal=1" not in line)
    code += "\n" + "\n".join(line for line in encoding.splitlines() if "import" in line)
    done = run(python, decoder, "-c", code + "\nprint(minute.shape, c.unit, callable(encode))")
    assert done.stdout == "(4, 64) uV True\n", done.stderr


def test_an_export_replaces_nothing(codec: Codec, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    assert "is not empty" in codec("export", checkpoint, tmp_path / "out", status=1).stderr
    assert "--model nobody@prod" in codec("export", "nobody@prod", tmp_path / "new", status=2).stderr
    assert not (tmp_path / "new").exists()


def test_mne_sees_volts_names_and_times(codec: Codec, checkpoint: Path, tmp_path: Path) -> None:
    from cookbooks.lamquant.codec_command.mne_raw import read_raw_lqc

    path = written(tmp_path, "a.bdf", night(3))
    codec("encode", path, "--max-error", 0)
    with pytest.warns(RuntimeWarning, match="another rate: ECG, Temp rectal"):
        raw = read_raw_lqc(tmp_path / "a.lqc")
    names = ["EEG Fp1-Ref", "EEG Fp2-Ref", "EEG C3-Ref", "EEG C4-Ref", "Status"]
    assert raw.ch_names == names and raw.get_channel_types() == ["eeg"] * 4 + ["stim"]
    reference = mne.io.read_raw_bdf(path, include=names, stim_channel=None, verbose="error")
    assert not raw.preload
    assert np.array_equal(raw.get_data(start=100, stop=300), reference.get_data(start=100, stop=300))
    assert np.array_equal(raw.get_data(picks=["EEG C3-Ref"]), reference.get_data(picks=["EEG C3-Ref"]))
    cropped = raw.copy().crop(2, 5).load_data().filter(1, 20, verbose="error")
    assert cropped.n_times == 193 and raw.info["meas_date"] is None
    assert list(raw.annotations.description) == ["CRITICAL", "UNKNOWN", "ARTIFACT"]
    assert raw.annotations.onset.tolist() == reference.annotations.onset.tolist()


def test_mne_gets_date_texts_and_gaps_if_they_were_kept(codec: Codec, tmp_path: Path) -> None:
    from cookbooks.lamquant.codec_command.mne_raw import read_raw_lqc

    path = written(tmp_path, "a.edf", night(discontinuous=True))
    codec("encode", path, "--max-error", 0, "--identity", "keep")
    with pytest.warns(RuntimeWarning, match="another rate: ECG, Temp rectal"):
        raw = read_raw_lqc(tmp_path / "a.lqc", preload=True)
    assert raw.info["meas_date"] == datetime(2002, 3, 2, 23, 15, 7, tzinfo=UTC)
    said = dict(zip(raw.annotations.description, raw.annotations.onset.tolist(), strict=True))
    # the eye blink is in the first second behind the gap of 7.5 s, which lies before second 5 of the samples
    assert said == {"Seizure": 1.25, "Harry moved his hand": 2.75, "BAD boundary": 5.0, "eye blink": 6.0}
