"""A codec that is there already, in place of a training: by its name, or by its digest."""

import json
from pathlib import Path

import pytest

from blut_assets.recipes import ArgsError
from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.configs.training import JointCheckpointConfig
from cookbooks.lamquant.recipes.combined_decoder import COMBINED_DECODER
from cookbooks.lamquant.recipes.oracle import ORACLE
from cookbooks.lamquant.training import _named_codec, _take_codec
from tests.cookbooks.lamquant.verdict_case import Case

VALID = {"edf_root": "synthetic:", "change_id": "T-1"}


class FakeStage:
    """What a stage function gets, of which a copy takes two things."""

    def __init__(self, store: ArtifactStore, out: Path) -> None:
        self.open, self.out = store.open, out


def test_a_digest_stands_for_the_codec_in_the_store_and_keeps_its_digest(case: Case, tmp_path: Path) -> None:
    store, out = ArtifactStore(tmp_path / "store"), tmp_path / "out"
    said = json.loads((case.candidate / "model.json").read_bytes())
    digest = store.put(case.candidate)
    config = JointCheckpointConfig(encoder=digest[:12])
    assert _named_codec(store, {}, config) == {"encoder": digest}
    assert "encoder" not in config.for_payload() and "encoder" not in config.fingerprinted()
    assert _named_codec(store, {}, JointCheckpointConfig()) == {}
    out.mkdir()
    taken = _take_codec(FakeStage(store, out), digest)  # type: ignore[arg-type]
    assert digest_path(out) == digest
    assert taken.parameters == said["parameters"] and taken.val_prdn == said["validation_measured"]["prdn"]


def test_the_codec_of_a_firmware_bundle_is_taken_out_of_it(case: Case, tmp_path: Path) -> None:
    store, bundle, out = ArtifactStore(tmp_path / "store"), tmp_path / "bundle", tmp_path / "out"
    for place in (bundle, out):
        place.mkdir()
    for name in ("model.json", "model.safetensors"):
        (bundle / name).write_bytes((case.candidate / name).read_bytes())
    (bundle / "lq_encode.c").write_text("int main(void) { return 0; }")
    taken = _take_codec(FakeStage(store, out), store.put(bundle))  # type: ignore[arg-type]
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "model.safetensors"]
    assert taken.final_loss is None and taken.epochs == 1


def test_an_encoder_that_is_not_there_or_is_no_codec_is_refused(tmp_path: Path) -> None:
    store, other = ArtifactStore(tmp_path / "store"), tmp_path / "other"
    other.mkdir()
    (other / "model.json").write_text('{"schema": "blut.joint_codec.v1"}')
    digest = store.put(other)
    for said in ("lamquant-joint@nobody", "0123456789ab", "not a digest"):
        with pytest.raises(Refused, match=r"^encoder "):
            _named_codec(store, {}, JointCheckpointConfig(encoder=said))
    (tmp_path / "out").mkdir()
    with pytest.raises(Refused, match="is not a joint codec of this version"):
        _take_codec(FakeStage(store, tmp_path / "out"), digest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"decoder_width": 4}, "decoder_width"),
        ({"decoder_depth": 13}, "decoder_depth"),
        ({"teacher_hidden": 65}, "teacher_hidden"),
        ({"teacher_width": 4}, "unknown argument 'teacher_width'"),
        ({"promote_as": "lamquant-joint@prod"}, "give lamquant-decoder@ALIAS"),
        ({"promote_as": "lamquant-decoder@prod"}, "synthetic data is promoted to synthetic-"),
    ],
)
def test_args_of_the_decoder_that_cannot_be_are_refused_before_anything_runs(
    wrong: dict[str, object], words: str
) -> None:
    COMBINED_DECODER.parse(VALID)
    with pytest.raises(ArgsError, match=words):
        COMBINED_DECODER.parse(VALID | wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"teacher_hidden": 8}, "teacher_hidden"),
        ({"teacher_width": 300}, "teacher_width"),
        ({"promote_as": "lamquant-device@prod"}, "give lamquant-oracle@ALIAS"),
    ],
)
def test_args_of_the_oracle_that_cannot_be_are_refused_before_anything_runs(
    wrong: dict[str, object], words: str
) -> None:
    ORACLE.parse(VALID)
    with pytest.raises(ArgsError, match=words):
        ORACLE.parse(VALID | wrong)
