"""The oracle: headroom with its sign and interval, a report that may say no, and never a device's name."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.registry.verdicts import Verdict, parse_verdict
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.floors import SHIPPED_ORACLE_REGISTRY
from cookbooks.lamquant.gate.comparison_page import shown_headroom
from cookbooks.lamquant.gate.floors import RegistryInvalid
from cookbooks.lamquant.gate.in_force import parse_for
from cookbooks.lamquant.gate.metrics import prdn
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.lqc.targets import NoiseRatio
from cookbooks.lamquant.oracle.blocks import bytes_by_block
from cookbooks.lamquant.oracle.headroom import Codec, Headroom, headroom, interval_pct
from cookbooks.lamquant.payload.oracle_score import OracleScoreSettings, score
from tests.cookbooks.lamquant.lqc.plane_case import model_of
from tests.cookbooks.lamquant.lqc.recording_case import related, small_model
from tests.cookbooks.lamquant.refine.decoder_case import write_decoder
from tests.cookbooks.lamquant.verdict_case import CHANGE, Case, made

FLOORS = """\
schema: blut.floor_registry.v2
version: 0.1.0
model: lamquant-oracle
change_classes: [A.1]
split: test
comparisons: {min_headroom_measured: 1}
minima: {recordings: 1, patients: 1, samples: 1000}
"""


def judged(case: Case) -> Verdict:
    """The verdict on ``teacher`` beside the codec of the case."""
    names = ("corpus", "split", "windows", "bitstreams", "decoded", "registry")
    inputs = {name: case.root / name for name in names}
    inputs |= {"candidate": case.root / "teacher", "reference": case.root / "candidate"}
    digested = ("candidate", "reference", "corpus", "split", "registry")
    digests = {name: digest_path(inputs[name]) for name in digested}
    config: dict[str, Any] = {"digests": digests, "split": "test", "change": CHANGE}
    return parse_verdict(score(read(config, OracleScoreSettings), inputs).to_json())


@pytest.fixture
def oracle_case(case: Case) -> Case:
    """The codec is its own teacher, with a decoder that changes nothing."""
    (case.registry / "registry.yaml").write_text(FLOORS)
    shutil.copytree(case.candidate, case.root / "teacher")
    weights = load_model(case.candidate).description["weights_sha256"]
    write_decoder(case.root / "teacher" / "decoder", weights, size=0.0)
    return case


def test_a_codec_has_no_room_above_itself_and_that_passes_as_a_report(oracle_case: Case) -> None:
    verdict = judged(oracle_case)
    assert verdict.passed, verdict.reasons
    figures = verdict.measurements
    names = ("headroom_bits_pct", "headroom_low_pct", "headroom_high_pct")
    assert [figures[name] for name in names] == [0, 0, 0]
    assert verdict.details["usable_as_teacher"] is False
    assert verdict.details["headroom"][oracle_case.stem]["blocks"] == 4
    (oracle_case.root / "judged").mkdir()
    (oracle_case.root / "judged" / "verdict.json").write_bytes(verdict.to_json())
    (row,) = shown_headroom(oracle_case.root / "judged")["headroom"].records
    assert row.data["recording"] == oracle_case.stem and row.data["headroom"] == "+0.00 %"


def test_a_worse_teacher_has_a_negative_headroom_and_cannot_teach(oracle_case: Case) -> None:
    said = json.loads((oracle_case.root / "teacher" / "model.json").read_bytes())
    kept = {name: said[name] for name in ("noise_ratio", "windows_sha256", "tier")}
    save_checkpoint(oracle_case.root / "teacher", model_of(), said["lambda"], tuple(said["levels"]), kept)
    weights = load_model(oracle_case.root / "teacher").description["weights_sha256"]
    write_decoder(oracle_case.root / "teacher" / "decoder", weights, size=0.0)
    oracle_case.root.joinpath("candidate").rename(oracle_case.root / "kept")
    oracle_case.root.joinpath("teacher").rename(oracle_case.root / "candidate")
    (oracle_case.root / "again").mkdir()
    oracle_case.code(oracle_case.root / "again")
    oracle_case.root.joinpath("candidate").rename(oracle_case.root / "teacher")
    oracle_case.root.joinpath("kept").rename(oracle_case.root / "candidate")
    verdict = judged(oracle_case)
    assert verdict.passed, verdict.reasons  # a report
    assert (verdict.measurements["headroom_bits_pct"] or 0) < -1
    assert verdict.details["usable_as_teacher"] is False


def test_a_headroom_that_cannot_be_measured_is_a_fail(oracle_case: Case) -> None:
    for name in ("teacher", "candidate"):
        model = oracle_case.root / name / "model.json"
        oracle_case.edit_json(model, lambda document: document.update(noise_ratio=0.0001))
    verdict = judged(oracle_case)
    assert not verdict.passed and verdict.measurements["headroom_bits_pct"] is None
    assert any("headroom_measured is 0" in told for told in verdict.reasons)
    assert "its error cannot be measured" in verdict.details["headroom_problems"][0]


def test_headroom_is_what_is_saved_at_equal_error() -> None:
    x, model = related(2, 40.0, seed=4), small_model()

    def error(decoded: np.ndarray) -> float | None:
        return prdn(x, decoded)

    found = headroom(x, 256.0, Codec(model), Codec(model), 0.3, error)
    assert found is not None and found.pct == 0

    class Away:
        """Adds to the error: a worse decoder needs more bytes for the same error."""

        for_model = model.digest

        def refined(self, planes: Any, spec: Any, profile: Any) -> Any:
            return 0.9 * planes

    worse = headroom(x, 256.0, Codec(model), Codec(model, Away()), 0.3, error)
    assert worse is not None and worse.pct < -2 and worse.prdn == found.prdn
    better = headroom(x, 256.0, Codec(model, Away()), Codec(model), 0.3, error)
    assert better is not None and better.pct > 2


def test_bytes_of_blocks_add_up_to_the_file_and_follow_where_the_signal_is() -> None:
    quiet, loud = related(2, 40.0, seed=1), related(2, 40.0, seed=2)
    x = np.concatenate([quiet // 20, loud], 1)
    data = encode(x, 256.0, small_model(), NoiseRatio(0.3), threads=1)
    blocks = bytes_by_block(data, small_model())
    assert len(blocks) == 8 and blocks.sum() == pytest.approx(len(data))
    assert blocks[4:].mean() > 2 * blocks[:4].mean()


def test_the_interval_is_as_wide_as_the_blocks_differ() -> None:
    ones = np.ones(200)
    steady = Headroom(1.0, ones, 0.95 * ones)
    assert interval_pct([steady]) == (5.0, 5.0)
    uneven = 0.95 + 0.2 * np.random.default_rng(0).standard_normal(200)
    low, high = interval_pct([Headroom(1.0, ones, uneven)])
    assert low < 5 < high and 2 < high - low < 12
    assert interval_pct([steady]) == interval_pct([steady])


def test_an_oracle_can_take_no_devices_name() -> None:
    shipped = SHIPPED_ORACLE_REGISTRY.read_bytes()
    assert parse_for("oracle", shipped, "oracle.yaml").model == "lamquant-oracle"
    assert parse_for(
        "oracle", FLOORS.replace("model: lamquant-", "gate: oracle\nmodel: my-").encode(), "own.yaml"
    )
    for model in ("lamquant-device", "lamquant-joint", "lamquant-pipeline", "my-codec"):
        other = FLOORS.replace("model: lamquant-oracle", f"model: {model}\ngate: oracle")
        with pytest.raises(RegistryInvalid, match=f"{model}.*(another gate|ends in -oracle)"):
            parse_for("oracle", other.encode(), "other.yaml")


def test_a_teacher_is_the_same_from_the_same_seed(case: Case, tmp_path: Path) -> None:
    config = {"preset": "smoke", "teacher_hidden": 16, "teacher_epochs": 1, "device": "cpu", "seed": 1}
    inputs = {"windows": case.windows, "checkpoint": case.candidate}
    first = made(tmp_path, "teacher_train", config, **inputs)
    again = made(tmp_path, "teacher_train-again", config, **inputs)
    assert digest_path(first) == digest_path(again)
    assert len(load_model(first).entropy.net.b2) == 16
    assert (first / "decoder" / "refine.safetensors").is_file()
