"""Every command of `blut` that people know, typed into a shell as they type it, on inputs of a minute."""

import json
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.e2e.box import LOOSE, Box
from tests.e2e.scene import PATIENCE_S, Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CATALOGUE = """
lamquant_data_prep data-prep lamquant lma_corpus
lamquant_joint_codec train lamquant pccp_verdict
finetune_from_dataset train lamu model.gguf
finetune_from_conversations train lamu model.gguf
dpo_from_preferences train lamu model.gguf
distill_from_teacher train lamu model.gguf
hf_finetune_from_dataset train hf_trainer checkpoint.hf
eval_suite eval lamu eval.report
"""
COMMANDS = ("recipe", "jobs", "log", "cancel", "plan", "cache", "stage", "data", "auto", "policy")


def archive(eeg: Path, lma: Path) -> None:
    """Write an archive of a recording each, below a directory that is called after the patient."""
    from cookbooks.lamquant.formats.edf.recording import read_edf
    from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
    from cookbooks.lamquant.formats.lml.writer import encode_lml

    for path in sorted(eeg.rglob("*.edf")):
        found = read_edf(path)
        low, high = found.digital.min(axis=1), found.digital.max(axis=1)
        said = {
            "channels": found.channels,
            "dig_min": low.tolist(),
            "dig_max": high.tolist(),
            "phys_min": (low * found.scale + found.offset).tolist(),
            "phys_max": (high * found.scale + found.offset).tolist(),
            "phys_dim": ["uV"] * len(found.channels),
            "synthetic": True,
        }
        data = encode_lml(found.digital, found.rate_hz, bit_depth=16, metadata=said)
        place = (lma / path.relative_to(eeg)).with_suffix(".lma")
        place.parent.mkdir(parents=True)
        write_lma(place, [LmaEntry(f"{path.stem}.lml", data, "lml", "0" * 64, 1)])


class Page:
    """A user's shell in a directory of theirs, with a home, recordings and a split."""

    def __init__(self, scene: Scene) -> None:
        from cookbooks.lamquant.samples.synthetic import write_synthetic

        self.scene, self.root = scene, scene.root / "user"
        self.policy = self.root / ".config" / "blut" / "train-policy.toml"
        self.lma, self.manifest = self.root / "lma" / "tuh", self.root / "splits" / "v11.json"
        write_synthetic(self.root / "eeg", 3, 30, 7, channels=("Fp1", "O2"))
        archive(self.root / "eeg", self.lma)
        self.manifest.parent.mkdir()
        sides = {"SYNTHETIC-s001": "train", "SYNTHETIC-s002": "val", "SYNTHETIC-s003": "test"}
        self.manifest.write_text(json.dumps({"subjects": sides}))
        self.env = {**scene.environment(HOME=str(self.root)), "OMP_NUM_THREADS": "1"}
        self.env["PATH"] = f"{Path(sys.executable).parent}:{self.env['PATH']}"
        for name in ("BLUT_TRAIN_POLICY", "XDG_CONFIG_HOME"):
            self.env.pop(name, None)

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line in bash; what it ends with, and what it says."""
        return subprocess.run(
            ["bash", "-c", line], env=self.env, cwd=self.root, capture_output=True, text=True
        )

    def says(self, line: str) -> str:
        """What a line says that succeeds."""
        done = self.type(line)
        assert done.returncode == 0, (line, done.stdout, done.stderr[-3000:])
        return done.stdout

    def jobs(self) -> list[dict[str, Any]]:
        return json.loads(self.says("blut jobs --json"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    scene = Scene(tmp_path_factory.mktemp("page") / "scene")
    yield Page(scene)
    scene.close()


@pytest.fixture(scope="module")
def trained(page: Page) -> str:
    """What the codec's training under memory containment says."""
    floors = Box.write_registry(page, "floors", LOOSE)  # type: ignore[arg-type]  # it asks for `root` only
    return page.says(f"""BLUT_CONTAINED=1 blut recipe run lamquant_joint_codec --args '{{
  "lma_roots": ["{page.lma}"],
  "manifest": "{page.manifest}",
  "epochs": 2,
  "logger": "wandb",
  "preset": "smoke",
  "registry": "{floors}"
}}'""")


def test_the_install_line_is_one_that_pip_can_follow(page: Page) -> None:
    line = "pip install --no-deps --no-index --no-build-isolation --dry-run -e '.[lamquant,observability]'"
    done = subprocess.run(["bash", "-c", line], env=page.env, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0 and "Would install blut-" in done.stdout, done.stdout + done.stderr
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"lamquant", "observability"} <= extras.keys() and "does not provide" not in done.stderr


def test_help_lists_the_commands(page: Page) -> None:
    shown = page.says("blut --help")
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", shown, re.MULTILINE)] == []


def test_the_catalogue_is_the_one_of_the_page(page: Page) -> None:
    table = [line.split() for line in page.says("COLUMNS=200 blut recipe list").splitlines()]
    assert table[0][:5] == ["name", "category", "backend", "input", "output"]
    rows = {(words[0], words[1], words[2], words[-1]) for words in table}
    assert {tuple(line.split()) for line in CATALOGUE.split("\n") if line} <= rows
    shown = page.says("blut recipe show lamquant_joint_codec")
    assert all(re.search(rf"^{name} ", shown, re.MULTILINE) for name in ("manifest", "epochs", "logger"))


def test_a_plan_is_looked_at_before_there_is_data(page: Page) -> None:
    for name in ("lamquant_joint_codec", "finetune_from_dataset"):
        shown = page.says(f"blut plan inspect {name}")
        assert name.partition("_")[0] in shown or "llm/" in shown


@pytest.mark.heavy
def test_the_main_command_trains_under_containment_to_a_verdict(page: Page, trained: str) -> None:
    assert re.search(r"^lamquant/pccp_verdict +computed", trained, re.MULTILINE)
    assert "lamquant_joint_codec succeeded" in trained
    (run,) = (job["id"] for job in page.jobs() if job["recipe"] == "lamquant_joint_codec")
    kept = page.scene.home / "runs" / run
    held = json.loads((kept / "manifest.json").read_text())["assets"]["lamquant/joint_checkpoint"]
    assert held["containment"]["contained"] and held["containment"]["limit"] > held["peak_memory_bytes"]
    assert list((kept / "wandb").glob("offline-run-*"))
    assert re.search(rf"^{run[:8]} +success +lamquant_joint_codec ", page.says("blut jobs"), re.MULTILINE)
    assert "lamquant/joint_checkpoint: epoch 1: " in page.says(f"blut log {run[:6]}")


def test_a_run_is_cancelled_and_goes_on(page: Page) -> None:
    gate = page.root / "gate"
    page.scene.behave(gate=str(gate), gate_at=1)
    page.says("blut recipe run contained --args '{\"epochs\": 4}' >said 2>&1 &")
    deadline = time.monotonic() + PATIENCE_S
    while not page.scene.happened("epoch-1 "):
        assert time.monotonic() < deadline, (page.root / "said").read_text()
        time.sleep(0.05)
    (run,) = (job["id"] for job in page.jobs() if job["state"] == "started")
    assert "is cancelled" in page.says(f"blut cancel {run}")
    gate.touch()
    resumed = page.says(f"blut plan resume {run[:8]}")
    assert "contained succeeded" in resumed and page.scene.happened("resumed-at-2 ")


@pytest.mark.heavy
def test_stale_outputs_are_dropped_and_nothing_else(page: Page, trained: str) -> None:
    del trained
    assert page.says("blut cache prune").startswith("removed 0 artifacts")


def test_single_assets_and_data(page: Page) -> None:
    assert "lamquant/joint_checkpoint" in page.says("blut stage list")
    page.says("blut data add tuh eeg")
    assert re.search(r"^tuh +recordings ", page.says("blut data list"), re.MULTILINE)
    made = page.says('blut stage run lamquant/recordings --config \'{"edf_root": "data://tuh"}\'')
    assert re.search(r"^lamquant/recordings +observed", made, re.MULTILINE)


@pytest.mark.heavy
def test_retraining_is_gated_behind_a_policy_that_one_command_writes(page: Page, trained: str) -> None:
    del trained
    before = page.type("blut auto")
    assert before.returncode == 0 and "enable" in before.stdout + before.stderr
    page.says("blut policy enable")
    written = tomllib.loads(page.policy.read_text())
    assert written["enabled"] and written["recipe"] == "lamquant_joint_codec"
    assert written["args"]["manifest"] == str(page.manifest) and "batch_size" not in written["args"]
    hours = re.compile(r"^(# )?start_hours = .*$", re.MULTILINE)
    text, lines = hours.subn('start_hours = ["04:00", "04:00"]', page.policy.read_text())
    page.policy.write_text(text)
    decided = page.type("blut auto")
    assert lines == 1 and decided.returncode == 0 and decided.stdout + decided.stderr
    assert len([job for job in page.jobs() if job["recipe"] == "lamquant_joint_codec"]) == 1
