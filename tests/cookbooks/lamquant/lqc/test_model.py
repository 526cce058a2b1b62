"""A checkpoint is read with numpy alone, and one that is damaged or of another version is refused."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import load_model
from tests.cookbooks.lamquant.lqc.plane_case import model_of


@pytest.fixture
def made(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, model_of(), 0.13, (8, 20), {"tier": "all"})
    return tmp_path


def test_what_was_saved_is_loaded(made: Path) -> None:
    model, expected = load_model(made), model_of().as_arrays()
    assert {n: a.tolist() for n, a in model.entropy.as_arrays().items()} == {
        n: a.tolist() for n, a in expected.items()
    }
    assert (model.lam, model.levels, model.description["tier"]) == (0.13, (8, 20), "all")
    assert model.digest == hashlib.sha256((made / "model.safetensors").read_bytes()).digest()[:8]


def test_nothing_but_numpy_and_numba_is_imported(made: Path) -> None:
    code = (
        "import sys, pathlib; from cookbooks.lamquant.lqc.model import load_model;"
        "load_model(pathlib.Path(sys.argv[1]));"
        "print({name.partition('.')[0] for name in sys.modules}"
        " & {'torch', 'safetensors', 'pydantic', 'blut_resources', 'blut_assets', 'dagster'})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(made)], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def rewritten(made: Path, arrays: dict[str, Any]) -> None:
    weights = save(arrays)
    description = json.loads((made / "model.json").read_text())
    description["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    (made / "model.safetensors").write_bytes(weights)
    (made / "model.json").write_text(json.dumps(description))


def arrays_of(made: Path) -> dict[str, Any]:
    from safetensors.numpy import load

    return load((made / "model.safetensors").read_bytes())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {**a, "surprise": np.zeros(3, np.float32)}, "surprise"),
        (lambda a: {n: v for n, v in a.items() if n != "entropy.net.w2"}, "net.w2"),
        (lambda a: {**a, "entropy.net.w2": a["entropy.net.w2"].astype(np.float32)}, "net.w2"),
        (lambda a: {**a, "refine.shift": np.zeros(3, np.float32)}, "refine.shift"),
        (lambda a: {**a, "entropy.starts": a["entropy.starts"][:, ::-1].copy()}, "starts"),
    ],
)
def test_arrays_that_are_not_a_checkpoints_are_refused_by_name(made: Path, change: Any, words: str) -> None:
    rewritten(made, change(arrays_of(made)))
    with pytest.raises(LqcError, match=words):
        load_model(made)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "blut.joint_codec.v1"),
        ("schema", "blut.joint_codec.v3"),
        ("lambda", "cheap"),
        ("lambda", float("nan")),
        ("lambda", True),
        ("levels", [20, 8]),
        ("levels", [8]),
        ("levels", [8, 40]),
        ("levels", None),
    ],
)
def test_a_description_that_cannot_be_is_refused_by_field_and_value(
    made: Path, field: str, value: Any
) -> None:
    path = made / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(LqcError, match=field):
        load_model(made)


def test_files_that_are_missing_cut_or_changed_are_refused(made: Path, tmp_path: Path) -> None:
    weights = (made / "model.safetensors").read_bytes()
    for damaged in (weights[:-1], weights[:5], b"", weights[:-9] + bytes([weights[-9] ^ 1]) + weights[-8:]):
        (made / "model.safetensors").write_bytes(damaged)
        with pytest.raises(LqcError, match=r"model\.safetensors: sha256"):
            load_model(made)
        description = json.loads((made / "model.json").read_text())
        if len(damaged) < len(weights):  # signed anew by whoever cut it
            signed = description | {"weights_sha256": hashlib.sha256(damaged).hexdigest()}
            (made / "model.json").write_text(json.dumps(signed))
            with pytest.raises(LqcError):
                load_model(made)
            (made / "model.json").write_text(json.dumps(description))
    (made / "model.json").write_bytes(b"[]")
    with pytest.raises(LqcError, match=r"model\.json"):
        load_model(made)
    with pytest.raises(LqcError, match=r"not a checkpoint .* give the directory"):
        load_model(tmp_path / "nowhere")
