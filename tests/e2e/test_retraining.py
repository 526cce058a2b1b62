"""Retraining by itself, with the real daemon, the main recipe and its gate; and by cron, with `blut auto`."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_resources.registry.models import ModelRegistry, RegistryError
from cookbooks.lamquant.samples.synthetic import write_synthetic
from sensors.policy.file import edit
from sensors.policy.history import POLICY_TAG, REASON_TAG
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT, RECIPE, Box
from tests.e2e.scene import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]

LONG = 400.0
"""Seconds; a busy machine is no failure."""

IMPOSSIBLE = {"min_r": 0.9999, "max_prdn": 0.01, "min_cr": 500}
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


class Kept(Box):
    """A box with a policy file, to which recordings are added."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.policy = root / "config" / "train-policy.toml"

    def environment(self, trap: Path | None = None) -> dict[str, str]:
        own = {"BLUT_TRAIN_POLICY": str(self.policy), "BLUT_POLICY_INTERVAL_S": "2"}
        return {**super().environment(trap), **own, "BLUT_LEASES": str(self.root / "leases")}

    def set(self, name: str | None, **fields: Any) -> None:
        common = {"recipe": RECIPE, "start_hours": [], "cooldown": "1s", "new_recordings": 1}
        edit(self.policy, name, {"enabled": True, "instance": str(self.home), **common, **fields})

    def record(self, take: str, subjects: int) -> None:
        write_synthetic(self.edf / take, subjects, 20, 7 + len(take), channels=("Fp1", "O2"))

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*BLUT, *words], env=self.environment(), cwd=self.root, capture_output=True, text=True
        )

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """Kept open: the tests look often, and opening one takes much longer than a look."""
        return dg.DagsterInstance.from_config(str(self.home))

    def runs(self, name: str) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(tags={POLICY_TAG: name})))

    def ended(self, name: str) -> dg.DagsterRun | None:
        runs = self.runs(name)
        return runs[0] if runs and runs[0].status in ENDED else None

    def reasons(self) -> list[str]:
        """Why the newest ticks of the sensor started nothing, newest first."""
        states = [s for s in self.instance.all_instigator_state() if s.instigator_name == "blut_retraining"]
        ticks = [
            tick for s in states for tick in self.instance.get_ticks(s.instigator_origin_id, s.selector_id)
        ]
        return [tick.skip_reason or "" for tick in sorted(ticks, key=lambda t: -t.timestamp)]

    def next_reason(self, words: str, daemon: Any) -> None:
        """Wait for a tick that gives this reason and began after now."""
        seen = len(self.reasons())
        until(lambda: any(words in r for r in self.reasons()[: -seen or None]), LONG, daemon)

    def outcome(self, run: dg.DagsterRun, asset: str) -> dict[str, Any] | None:
        """The metadata that a run recorded for an asset."""
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        for record in self.instance.get_records_for_run(run.run_id, of_type=kind).records:
            event = record.event_log_entry.asset_materialization
            if event and event.asset_key.path[-1] == asset:
                return {key: entry.value for key, entry in event.metadata.items()}
        return None

    def promoted(self, alias: str) -> bool:
        try:
            return bool(ModelRegistry(self.home / "store" / "registry").resolve(f"lamquant-joint@{alias}"))
        except RegistryError:
            return False


@contextmanager
def daemon(box: Kept) -> Iterator[subprocess.Popen[bytes]]:
    program = "from dagster._daemon.cli import main; main()"
    command = [sys.executable, "-c", program, "run", "-m", "blut_assets.definitions"]
    with (box.root / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=box.environment(),
            cwd=REPOSITORY,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    box = Kept(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(box.home))
    box.record("first", 3)
    with box.instance:
        yield box


def test_the_daemon_retrains_when_the_policy_says_so_and_only_then(kept: Kept) -> None:
    kept.set("codec", args=kept.args, new_recordings=4)
    strict = {**kept.args, "registry": str(kept.write_registry("strict", IMPOSSIBLE))}
    with daemon(kept) as process:
        kept.next_reason("codec: 3 new recordings, 4 are asked for", process)
        assert kept.runs("codec") == []

        kept.record("second", 1)
        run = until(lambda: kept.ended("codec"), LONG, process)
        assert run.status is dg.DagsterRunStatus.SUCCESS, (kept.root / "daemon.log").read_text()[-4000:]
        assert run.tags[REASON_TAG] == "4 new recordings, 4 are asked for"
        trained = kept.outcome(run, "joint_checkpoint")
        assert trained and not trained["reused"] and trained["containment"]
        assert kept.outcome(run, "pccp_verdict") and kept.promoted("synthetic-test")
        kept.next_reason("nothing new: run", process)

        # the same training before a gate that nothing passes
        kept.set("strict", args={**strict, "promote_as": "lamquant-joint@synthetic-strict"})
        refused = until(lambda: kept.ended("strict"), LONG, process)
        assert refused.status is dg.DagsterRunStatus.FAILURE
        again = kept.outcome(refused, "joint_checkpoint")
        assert again and again["reused"]
        assert not kept.promoted("synthetic-strict")
        kept.next_reason("was refused by its gate with the same data", process)
        assert [len(kept.runs(name)) for name in ("codec", "strict")] == [1, 1]


def test_cron_says_why_it_waits_and_backs_off_after_a_failure(kept: Kept) -> None:
    idle = kept.say("auto")
    assert idle.returncode == 0 and "off: there is no policy in" in idle.stdout
    nobody = json.dumps({**kept.args, "test_subjects": ["nobody"]})
    when = ["--new-recordings", "1", "--quiet-hours", "any"]
    on = kept.say("policy", "enable", "--recipe", RECIPE, "--args", nobody, *when)
    assert on.returncode == 0, on.stderr
    assert "default is on" in on.stdout and " auto >> " in on.stdout

    would = kept.say("policy", "check", "--json")
    assert would.returncode == 0, would.stderr
    (row,) = json.loads(would.stdout)
    assert (
        row
        | {
            "policy": "default",
            "run": True,
            "reason": "3 new recordings, 1 are asked for",
            "recipe": RECIPE,
            "partition": None,
        }
        == row
    )
    assert kept.runs("default") == []

    failed = kept.say("auto")
    assert failed.returncode == 1 and "nobody" in failed.stdout, failed.stdout + failed.stderr
    held = kept.say("auto")
    assert held.returncode == 0 and "default: wait: backoff of 2 h until" in held.stdout
    assert len(kept.runs("default")) == 1

    kept.policy.write_text("new_row = 3\n" + kept.policy.read_text())
    broken = kept.say("auto")
    assert broken.returncode == 2 and "new_row = 3: no such field" in broken.stderr
