"""The codec's payloads as processes: training, kill and resume, and files between encoder and decoder."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from cookbooks.lamquant.codec.data import WindowsError, load_corpus
from cookbooks.lamquant.codec.errors import CheckpointError
from cookbooks.lamquant.codec.examples import coefficients_of, plane_of
from cookbooks.lamquant.codec.files import open_codec
from cookbooks.lamquant.codec.presets import PRESETS
from cookbooks.lamquant.codec.resume import load_state, save_state
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.lqc.planes import encode_planes
from cookbooks.lamquant.payload import codec_decode, joint_train
from tests.cookbooks.lamquant.codec_support import eeg_like, finish, frozen, start, tree_digest, write_windows
from tests.cookbooks.lamquant.split_corpora import Source, write_corpus

CONFIG = {
    "preset": "smoke",
    "tier": 3,
    "seed": 5,
    "epochs": 4,
    "threads": 1,
    "resume": "auto",
    "device": "cpu",
}


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_windows(tmp_path_factory.mktemp("windows"))


@pytest.fixture(scope="module")
def trained(windows: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """An uninterrupted training run: its output directory and its events."""
    directory = tmp_path_factory.mktemp("trained")
    status, events, err = finish("joint_train", frozen(directory, CONFIG, windows=windows))
    assert status == 0, err
    return directory / "out", events


def test_training_reports_every_epoch_and_finishes_with_the_facts_of_the_checkpoint(
    trained: tuple[Path, list[dict]],
) -> None:
    out, events = trained
    epochs = [e for e in events if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == [1, 2, 3, 4]
    assert {"loss", "val_loss", "quantised_prdn", "quantised_r", "bits_per_sample"} <= set(
        epochs[0]["metrics"]
    )
    facts = events[-1]["facts"]
    assert events[-1]["event"] == "done"
    assert facts["epochs"] == 4 and facts["tier"] == 3 and facts["preset"] == "smoke"
    assert 0 < facts["val_prdn"] < 25 and facts["val_r"] > 0.96 and 0 < facts["val_bits_per_sample"] < 4
    assert sorted(p.name for p in out.iterdir()) == [
        "metrics.json",
        "model.json",
        "model.safetensors",
        "reconstruction.png",
    ]
    assert (out / "reconstruction.png").stat().st_size < 150_000


def test_one_checkpoint_spends_more_bytes_for_less_error_from_level_to_level(
    trained: tuple[Path, list[dict]],
) -> None:
    model, x = load_model(trained[0]), eeg_like(1, 60.0, seed=21)[0].astype(np.float64)
    y = coefficients_of(x - x.mean(), 128)
    sizes, errors = [], []
    for level in range(model.levels[0], model.levels[1] + 1):
        plane = plane_of(y, level, float(x.std()), 128, 256.0)
        coded = encode_planes(plane.y, plane.spec, model.entropy, model.lam, "full")
        sizes.append(len(coded.data))
        errors.append(float(np.mean((coded.recon - plane.y) ** 2)) * 2.0 ** (-level / 2))
    assert model.levels == (8, 20)
    assert sizes == sorted(set(sizes)) and errors == sorted(set(errors), reverse=True)


def test_a_run_terminated_then_killed_continues_to_the_same_bytes_as_an_uninterrupted_one(
    windows: Path, trained: tuple[Path, list[dict]], tmp_path: Path
) -> None:
    config = frozen(tmp_path, CONFIG, windows=windows)
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = start("joint_train", config)
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "checkpoint":
                os.kill(process.pid, number)
                break
        _, err = process.communicate()
        assert process.returncode != 0
        assert ("the next attempt resumes" in err) == (number == signal.SIGTERM)
        assert not (tmp_path / "out" / "model.json").exists()
    status, events, err = finish("joint_train", config)
    assert status == 0, err
    first = next(e["epoch"] for e in events if e["event"] == "epoch")
    assert first > 2
    assert tree_digest(tmp_path / "out") == tree_digest(trained[0])


def test_a_state_that_is_not_resumed_is_named_and_the_one_before_is(tmp_path: Path) -> None:
    said: list[str] = []
    for epoch in (1, 2, 3):
        save_state(tmp_path, epoch, {"x": torch.full((3,), float(epoch))}, {"identity": "one"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-000002", "epoch-000003"]
    assert load_state(tmp_path, "another", said.append) is None
    assert len(said) == 2 and all("it was made with other settings" in text for text in said)
    newest = tmp_path / "epoch-000003" / "state.safetensors"
    whole = newest.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        newest.write_bytes(damaged)
        said.clear()
        found = load_state(tmp_path, "one", said.append)
        assert found is not None and found[0]["x"].tolist() == [2.0, 2.0, 2.0]
        assert found[1] == {"identity": "one"}
        (text,) = said
        assert text.startswith("resume: epoch-000003 is not used: state.safetensors is damaged")
    newest.unlink()
    newest.mkdir()  # to read it fails as a failing disk does, with an error that is not about its contents
    with pytest.raises(CheckpointError, match=r"cannot be read now .*state\.safetensors"):
        load_state(tmp_path, "one", said.append)
    assert len(list(tmp_path.iterdir())) == 2, "nothing was removed"


def test_a_state_of_another_network_is_not_continued(
    trained: tuple[Path, list[dict]],
    windows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = frozen(tmp_path, CONFIG, windows=windows)
    shutil.copytree(trained[0].parent / "work", tmp_path / "work", dirs_exist_ok=True)
    wider = {**PRESETS, "smoke": replace(PRESETS["smoke"], hidden=12)}  # as a later version may have it
    monkeypatch.setattr(joint_train, "PRESETS", wider)
    monkeypatch.setattr("sys.argv", ["joint_train", "--config", str(path)])
    handler = signal.getsignal(signal.SIGTERM)
    joint_train.main()
    signal.signal(signal.SIGTERM, handler)
    assert "is not used: it was made with other settings" in "".join(capfd.readouterr())
    assert load_model(tmp_path / "out").description["epochs"] == 4


def test_a_checkpoint_without_its_operating_point_is_refused_by_name(
    trained: tuple[Path, list[dict]], tmp_path: Path
) -> None:
    shutil.copytree(trained[0], tmp_path / "there")
    description = tmp_path / "there" / "model.json"
    said = json.loads(description.read_bytes())
    for broken in ({}, {"noise_ratio": "0.17"}, {"noise_ratio": -0.17}):
        kept = {name: value for name, value in said.items() if name != "noise_ratio"}
        description.write_text(json.dumps(kept | broken))
        with pytest.raises(Refused, match="noise_ratio"):
            open_codec(tmp_path / "there", 1)


def test_another_process_decodes_files_to_what_this_one_decodes(
    trained: tuple[Path, list[dict]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = trained[0]
    sources = {
        "a__test": Source("a", eeg_like(2, 21.3, seed=11)),
        "b__test": Source("b", eeg_like(1, 9.0, rate_hz=128.0, seed=12), rate_hz=128.0),
        "c__train": Source("c", eeg_like(1, 5.0, seed=13)),
    }
    corpus = write_corpus(tmp_path / "corpus", sources)
    split = tmp_path / "split"
    split.mkdir()
    recordings = {"a__test": "test", "b__test": "test", "c__train": "train"}
    subjects = {"a": "test", "b": "test", "c": "train"}
    manifest = {"schema": "blut.split.v1", "subjects": subjects, "recordings": recordings}
    (split / "split.json").write_text(json.dumps(manifest | {"excluded": {}, "duplicates": [], "meta": {}}))
    status, events, err = finish(
        "codec_encode",
        frozen(tmp_path / "enc", {"split": "test"}, checkpoint=checkpoint, corpus=corpus, split=split),
    )
    assert status == 0, err
    assert events[-1]["facts"] == {"n_files": 2}
    bitstreams = tmp_path / "enc" / "out"
    assert sorted(p.name for p in bitstreams.iterdir()) == ["a__test.lqc", "b__test.lqc"]
    status, _, err = finish(
        "codec_decode", frozen(tmp_path / "dec", {}, checkpoint=checkpoint, bitstreams=bitstreams)
    )
    assert status == 0, err
    coder = load_checkpoint(checkpoint).coder
    for stem in ("a__test", "b__test"):
        decoded = np.load(tmp_path / "dec" / "out" / f"{stem}.npy")
        data = (bitstreams / f"{stem}.lqc").read_bytes()
        np.testing.assert_array_equal(decoded, coder.decode(data))
        assert data == coder.encode(sources[stem].digital, sources[stem].rate_hz)
        assert decoded.dtype == np.int32 and decoded.shape == sources[stem].digital.shape

    damaged = bitstreams / "a__test.lqc"
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    path = frozen(tmp_path / "bad", {}, checkpoint=checkpoint, bitstreams=bitstreams)
    monkeypatch.setattr("sys.argv", ["codec_decode", "--config", str(path)])
    with pytest.raises(SystemExit, match=r"a__test\.lqc: "):
        codec_decode.main()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preset": "huge"}, ["preset='huge'", "smoke"]),
        ({"tier": 5}, ["tier=5", "one of 1, 2, 3, 4, all"]),
        ({"tier": "3"}, ["tier='3'", "one of 1, 2, 3, 4, all"]),
        ({"epochs": 0}, ["epochs=0", "from 1 to"]),
        ({"lr": -1.0}, ["lr=-1.0", "1e-07"]),
        ({"device": "tpu"}, ["device='tpu'", "cuda"]),
        ({"epoch": 3}, ["epoch=3: unknown; did you mean epochs?"]),
    ],
)
def test_a_setting_out_of_range_is_refused_naming_field_value_and_range(
    windows: Path, tmp_path: Path, change: dict, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = frozen(tmp_path, CONFIG | change, windows=windows)
    monkeypatch.setattr("sys.argv", ["joint_train", "--config", str(path)])
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as refused:
        joint_train.main()
    signal.signal(signal.SIGTERM, handler)
    assert all(word in str(refused.value) for word in words)
    assert list((tmp_path / "out").iterdir()) == []


def test_windows_that_cannot_be_trained_on_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WindowsError, match=r"windows\.json"):
        load_corpus(tmp_path)
    root = write_windows(tmp_path / "flat", n_windows=2)
    for path in root.rglob("*.npy"):
        np.save(path, np.zeros_like(np.load(path)))
    with pytest.raises(WindowsError, match="no training window"):
        load_corpus(root)
    broken = np.load(root / "train" / "rec0.npy")
    broken[0, 0, 5] = np.nan
    np.save(root / "train" / "rec0.npy", broken)
    with pytest.raises(WindowsError, match=r"train/rec0\.npy: holds NaN"):
        load_corpus(root)
