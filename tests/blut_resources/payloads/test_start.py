"""What a payload runs is what was hashed, wherever it is started and whoever edits meanwhile."""

import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.instance.instance import open_instance
from blut_resources.payloads.code import digest_bytes
from blut_resources.payloads.files import START, PayloadFiles
from tests.scripted import RESOURCES, Scripted, scripted

PACK = {
    "pack/__init__.py": "",
    "pack/train.py": "import sys\nfrom pathlib import Path\nif len(sys.argv) > 1:\n    raise SystemExit(2)\n"
    "Path(__file__).with_name('late.py').write_text('X = 7\\n')\n"
    "from pack import late\nfrom pack.helper import X\nprint(__name__, X, late.X)\n",
    "pack/helper.py": "X = 1\n",
    "pack/late.py": "X = 2\n",
}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    for name, text in PACK.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "pack"


def hashed(pack: Path) -> PayloadFiles:
    paths = {f"pack.{path.stem}".removesuffix(".__init__"): path for path in pack.glob("*.py")}
    digests = {str(path): digest_bytes(path.read_bytes()) for path in paths.values()}
    return PayloadFiles({name: str(path) for name, path in paths.items()}, digests, str(pack.parent))


def start(files: PayloadFiles, cwd: Path) -> subprocess.CompletedProcess[str]:
    (told := cwd / "code.json").write_text(files.told("pack.train"))
    command = [sys.executable, "-P", START, str(told), "pack.train"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.usefixtures("home")
def test_nothing_in_the_working_directory_takes_the_place_of_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPT", json.dumps({"epochs": 2}))
    for name in ("random.py", "json.py", "tests/__init__.py", "tests/payloads/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('of the working directory')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # as Dagster does
    with open_instance() as instance:
        result = dg.materialize([scripted], resources=RESOURCES, instance=instance)
    made = result.output_for_node("test__scripted")
    assert isinstance(made, Scripted) and made.epochs == 2


def test_a_file_that_is_edited_while_the_payload_runs_does_not_reach_it(pack: Path) -> None:
    done = start(hashed(pack), pack.parent)
    assert (done.stdout, done.stderr) == ("__main__ 1 2\n", "")
    assert (pack / "late.py").read_text() == "X = 7\n"


def test_a_file_that_is_edited_before_the_payload_starts_is_refused_by_name(pack: Path) -> None:
    files = hashed(pack)
    (pack / "helper.py").write_text("X = 3\n")
    done = start(files, pack.parent)
    assert done.returncode == 1 and not done.stdout
    helper, now = str(pack / "helper.py"), digest_bytes(b"X = 3\n")
    what = f"has digest {now}, and its code version was made from {files.digests[helper]}"
    assert f"pack.helper ({helper}) {what}" in done.stderr
    assert "run it again" in done.stderr


def test_byte_code_of_an_edit_of_the_same_second_and_size_is_not_believed(pack: Path) -> None:
    helper = pack / "helper.py"
    times = helper.stat().st_atime_ns, helper.stat().st_mtime_ns
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, "-c", "import pack.helper"], cwd=pack.parent, env=environment, check=True)
    assert list(pack.glob("__pycache__/helper.*.pyc"))
    helper.write_text("X = 4\n")
    os.utime(helper, ns=times)
    assert start(hashed(pack), pack.parent).stdout == "__main__ 4 2\n"


READS = """
from pathlib import Path

from blut_resources.payload_kit.session import payload_session

if __name__ == "__main__":
    with payload_session() as session:
        name = session.config["name"]
        text = Path(__file__).with_name("rows").joinpath(name).read_text()
        (session.out / "rows").write_text(text)
        session.done(n=len(text))
"""
ASSET = """
import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages.handles import HANDLES
from blut_assets.stages import Steps, stage_asset


class Rows(Artifact):
    kind = "reads.rows"
    n: int


@stage_asset(cookbook="reads", group="corpus", payloads=["reads.read"]{more})
def rows(stage) -> Steps[Rows]:
    return Rows(**(yield from stage.run("reads.read", config={{"name": "a" + ".txt"}}, inputs={{}})))


defs = dg.Definitions(
    assets=[rows], resources={{"blut_handles": HANDLES}}, executor=dg.in_process_executor
)
"""


def materialized(root: Path, more: str) -> tuple[bool, list[str]]:
    """Whether the rows were computed, and the warnings of that run."""
    (root / "reads" / "__init__.py").touch()
    (root / "reads" / "assets.py").write_text(ASSET.format(more=more))
    for name in [name for name in sys.modules if name.partition(".")[0] == "reads"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    with open_instance() as instance:
        asset = importlib.import_module("reads.assets")
        result = dg.materialize([asset.rows], resources=RESOURCES, instance=instance)
        (event,) = result.get_asset_materialization_events()
        logs = instance.all_logs(result.run_id)
    reused = event.materialization.metadata["reused"].value
    return not reused, [entry.user_message for entry in logs if entry.level == logging.WARNING]


@pytest.mark.usefixtures("home")
def test_what_was_made_of_a_file_that_was_not_counted_is_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    rows = tmp_path / "project" / "reads" / "rows"
    rows.mkdir(parents=True)
    (rows / "a.txt").write_text("one")
    (rows.parent / "read.py").write_text(READS.replace("__file__", "vars()['__file__']"))

    computed, warnings = materialized(tmp_path / "project", "")
    (warning,) = [text for text in warnings if "code version" in text]
    assert computed and f"reads/rows: the payload has read {rows / 'a.txt'}" in warning
    assert 'data=["rows/a.txt"]' in warning
    computed, _ = materialized(tmp_path / "project", "")
    assert computed, "what it read may be another file by now"

    declared = ', data=["rows/*.txt"]'
    assert materialized(tmp_path / "project", declared) == (True, [])
    assert materialized(tmp_path / "project", declared) == (False, [])
    (rows / "a.txt").write_text("two")
    assert materialized(tmp_path / "project", declared) == (True, [])
    (rows.parent / "read.py").write_text(READS)
    assert materialized(tmp_path / "project", "") == (True, []), "found by its path"
    assert materialized(tmp_path / "project", "") == (False, [])
