"""Files of the first version, and checkpoints that made them, are still what they were."""

from pathlib import Path

import mne
import numpy as np
import torch

from cookbooks.lamquant.codec.v1.checkpoint import load_first_checkpoint
from tests.cookbooks.lamquant.codec_command.conftest import Codec, rows
from tests.cookbooks.lamquant.codec_command.recordings import night, written
from tests.cookbooks.lamquant.codec_support import eeg_like
from tests.cookbooks.lamquant.v1_case import write_first


def test_files_of_the_first_version_are_decoded(codec: Codec, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    checkpoint = write_first(tmp_path / "v1")
    coder = load_first_checkpoint(checkpoint).coder
    digital = eeg_like(2, 4.0)
    (tmp_path / "old.lqc").write_bytes(coder.encode(digital, 256.0))
    told = rows(codec("info", tmp_path / "old.lqc", "--json"))[0]
    assert (told["version"], told["groups"][0]["n_samples"]) == (1, digital.shape[1])
    expected = coder.decode((tmp_path / "old.lqc").read_bytes())
    codec("decode", tmp_path / "old.lqc", "-m", checkpoint, "-o", tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), expected)
    codec("decode", tmp_path / "old.lqc", "-m", checkpoint, "-o", tmp_path / "x.edf")
    data = mne.io.read_raw_edf(tmp_path / "x.edf", verbose="error").get_data()
    assert np.array_equal(np.rint(data).astype(int), expected)
    codec("verify", tmp_path / "old.lqc", "-m", checkpoint)
    path = written(tmp_path, "a.edf", night())
    said = codec("encode", path, "-m", checkpoint, "--prdn", 20, status=1).stderr
    assert "blut.joint_codec.v1" in said
    assert "train the codec with this version to encode" in said
