"""An isolated payload sees its inputs and nothing else; it is run anew where other versions are installed."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.history.planning import plan
from blut_assets.stages import Stage, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.payloads import distributions
from blut_resources.payloads.distributions import environment
from blut_resources.payloads.isolated import compiled_for, keep_compiled, take_compiled
from blut_resources.payloads.threads import PASSIVE, THREADS

PEEKS = "tests.payloads.peeks"
RESOURCES = {"blut_handles": HANDLES}
SECRET = "an original"


class Peeked(Artifact):
    """What a payload found."""

    kind: ClassVar[str] = "test.peeked"
    isolation: str | None


@stage_asset(cookbook="test", group="verdict", payloads=[PEEKS], distributions=["numpy", "not-installed"])
def peeked(stage: Stage) -> Steps[Peeked]:
    """Let a payload look around."""
    given, secret = Path(os.environ["PEEK_GIVEN"]), Path(os.environ["PEEK_SECRET"])
    config = {"hidden": [str(secret), f"{given.parent}/../{secret.parent.name}/{secret.name}"]}
    isolation = Isolation(hidden=(secret,))
    yield from stage.run(PEEKS, config=config, inputs={"given": given}, isolated=isolation)
    return Peeked(isolation=stage.isolation)


@pytest.fixture
def given(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An input, and beside it a secret."""
    for name, text in (("given", "an input"), ("secret", SECRET)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(text)
        monkeypatch.setenv(f"PEEK_{name.upper()}", str(tmp_path / name / "file"))
    return tmp_path / "given" / "file"


def materialize() -> tuple[Peeked, dict[str, Any], list[str]]:
    with open_instance() as instance:
        result = dg.materialize([peeked], resources=RESOURCES, instance=instance)
        made = result.output_for_node("test__peeked")
        found = json.loads((store_of(instance).open(made.digest) / "found.json").read_text())
        return made, found, [one.reason for one in plan(instance, [peeked], {})]


def test_nothing_of_the_users_settings_reaches_an_isolated_payload(given, tmp_path, monkeypatch):
    evil = tmp_path / "evil"
    evil.mkdir()
    for name in ("sitecustomize", "usercustomize", "numpy", "json"):
        (evil / f"{name}.py").write_text("raise SystemExit('somebody else')\n")
    user = tmp_path / "user" / "lib" / "python3.11" / "site-packages"
    user.mkdir(parents=True)
    (user / "evil.pth").write_text("import sys; sys.exit('somebody else')\n")
    for name, value in {
        "PYTHONPATH": str(evil),
        "PYTHONSTARTUP": str(evil / "json.py"),
        "PYTHONUSERBASE": str(tmp_path / "user"),
        "LD_PRELOAD": str(tmp_path / "none.so"),
        "NUMBA_DISABLE_JIT": "1",
        "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "0",
        "OMP_NUM_THREADS": "7",
        "SECRET_TOKEN": "hf_secret",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(evil)
    _, found, _ = materialize()
    own = {"HOME", "TMPDIR", "PATH", "BLUT_PAYLOAD_CONFIG", "DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES"}
    lent = {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NUMBA_CACHE_DIR", *THREADS, *PASSIVE}
    assert found["variables"]["OMP_NUM_THREADS"] != "7"
    assert found["variables"].keys() - lent == {"LANG", "LC_ALL", "TZ", *own}
    assert found["modules"] == []
    assert not [path for path in found["path"] if path.startswith((str(evil), str(tmp_path / "user")))]
    assert set(found["work"]) <= {"compiled"}


def test_an_isolated_payload_reads_its_inputs_and_nothing_that_is_hidden(given):
    made, found, _ = materialize()
    assert made.isolation == "landlock"
    assert found["inputs"] == {"given": "an input"}
    assert set(found["hidden"].values()) == {"PermissionError"}


def test_a_result_is_not_reused_where_other_versions_are_installed(given, tmp_path, monkeypatch):
    _, _, reasons = materialize()
    assert reasons == ["nothing it depends on has changed"]
    installed(tmp_path / "other", "numpy-9.9.9", "numpy/core.py,sha256=aa,1\n")
    monkeypatch.setattr(distributions, "installed_places", lambda: [str(tmp_path / "other")])
    with open_instance() as instance:
        (planned,) = plan(instance, [peeked], {})
    assert planned.state == "stale"
    assert planned.reason.startswith("environment changed: numpy 2.")
    assert planned.reason.endswith("-> 9.9.9")


def installed(place: Path, name: str, record: str) -> str:
    (place / f"{name}.dist-info").mkdir(parents=True)
    (place / f"{name}.dist-info" / "RECORD").write_text(record)
    return str(place)


def digest(monkeypatch: pytest.MonkeyPatch, place: Path, name: str, record: str, **variables: str) -> str:
    installed(place, name, record)
    monkeypatch.setattr(distributions, "installed_places", lambda: [str(place)])
    return environment(["numpy"], variables).digest


def test_an_environment_is_the_same_wherever_the_same_versions_are_installed(tmp_path, monkeypatch):
    files = "numpy/core.py,sha256=aa,1\nnumpy/other.py,sha256=bb,2\n"
    first = digest(monkeypatch, tmp_path / "a", "numpy-2.3.1", files)
    of_the_place = (
        "../../../bin/f2py,sha256=cc,3\nnumpy/core.pyc,,\nnumpy-2.3.1.dist-info/INSTALLER,sha256=d,1\n"
    )
    assert digest(monkeypatch, tmp_path / "b", "numpy-2.3.1", of_the_place + files) == first
    installed(tmp_path / "b", "torch-1.0", "torch/x.py,sha256=ee,1\n")
    assert environment(["numpy"], {}).digest == first, "what is not imported does not count"
    assert digest(monkeypatch, tmp_path / "c", "numpy-2.3.2", files) != first
    rebuilt = digest(monkeypatch, tmp_path / "d", "numpy-2.3.1", files.replace("aa", "ab"))
    assert rebuilt != first
    assert environment(["numpy"], {"LC_ALL": "C"}).digest != rebuilt


def test_compiled_code_is_kept_for_the_next_like_and_renewed_when_more_was_compiled(tmp_path):
    kept = compiled_for(tmp_path / "cache", {"a.py": "digest"})
    assert kept != compiled_for(tmp_path / "cache", {"a.py": "another"})

    def run(name: str, index: bytes) -> list[str]:
        work = tmp_path / name
        take_compiled(kept, work)
        found = sorted(str(one.relative_to(work)) for one in work.rglob("*.nb?"))
        (work / "compiled" / "pkg").mkdir(exist_ok=True)
        (work / "compiled" / "pkg" / "f.nbi").write_bytes(index)
        (work / "compiled" / "pkg" / "f.1.nbc").write_bytes(index)
        (work / "compiled" / "pkg" / "notes.txt").write_bytes(b"to somebody else")
        keep_compiled(work, kept)
        return found

    both = ["compiled/pkg/f.1.nbc", "compiled/pkg/f.nbi"]
    assert run("first", b"old") == []
    assert run("second", b"new") == both
    assert run("third", b"new") == both
    assert (kept / "pkg" / "f.nbi").read_bytes() == b"new"
    assert sorted(one.name for one in kept.parent.iterdir()) == [kept.name]
