"""The joint codec from EDF files to a promotion, through every front door, killed, changed and moved."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from blut_resources.instance.instance import store_of
from blut_resources.registry.models import ModelRegistry
from blut_resources.runs import manifest, metrics
from blut_resources.runs.files import manifest_path, metrics_files
from cookbooks.llm.recipes.training import FINETUNE
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT, DAGSTER, KEPT, RECIPE, Box
from tests.e2e.ui import Ui, dagster_dev
from tests.forked import RUN, server
from tests.weight import weight

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_the_promoted_codec_is_the_one_that_was_judged(box: Box) -> None:
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        store = store_of(instance)
        registry = ModelRegistry(store.root / "registry")
        assert registry.resolve("lamquant-joint@synthetic-test") == box.versions()["joint_checkpoint"]
        verdict = json.loads((store.open(box.versions()["pccp_verdict"]) / "verdict.json").read_text())
        record = registry.registration("lamquant-joint@synthetic-test")
    assert verdict["passed"] is True
    assert verdict["candidate"] == box.versions()["joint_checkpoint"]
    assert record.verdict == box.versions()["pccp_verdict"] and record.passed
    assert record.figures["worst_prdn"] == verdict["measurements"]["worst_prdn"]
    assert set(record.inputs) == {"corpus", "split", "registry"}
    assert {floor.scope for floor in record.floors} == {"/corpus", "*"}, "not one for each recording"
    assert verdict["details"]["counts"]["patients"] == 1


@pytest.mark.heavy
def test_a_split_that_was_exported_is_obeyed_and_named_in_the_verdict(box: Box, tmp_path: Path) -> None:
    first, again, moved = tmp_path / "v11.json", tmp_path / "again.json", tmp_path / "moved.tsv"
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        run = instance.get_runs(limit=1)[0].run_id
    for what, file in (("split_manifest", first), (run[:8], again)):
        command = [*BLUT, "data", "split", "export", what, str(file)]
        done = subprocess.run(command, env=box.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert first.read_bytes() == again.read_bytes()
    sides = json.loads(first.read_text())["subjects"]
    assert sides == {"SYNTHETIC-s001": "train", "SYNTHETIC-s002": "val", "SYNTHETIC-s003": "test"}
    pinned = {"train_subjects": [], "val_subjects": [], "test_subjects": []}
    done = box.blut(**pinned, manifest=str(first))
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        place = store_of(instance).open(box.versions()["pccp_verdict"])
    verdict = json.loads((place / "verdict.json").read_text())
    named = verdict["details"]["split"]["manifest"]
    assert named["subjects"] == sides and len(named["digest"]) == 64
    assert str(tmp_path) not in json.dumps(verdict)
    moved.write_text("subject\tsplit\n" + "".join(f"{name}\t{side}\n" for name, side in sides.items()))
    reused = box.results(box.blut(**pinned, manifest=str(moved)))
    assert {reused[name] for name in KEPT} == {"reused"}
    refused = box.blut(**pinned, manifest=str(tmp_path / "none.json"))
    assert refused.returncode == 2 and "none.json" in refused.stderr
    refused = box.blut(manifest=str(first))
    assert refused.returncode == 2 and "train_subjects and val_subjects beside manifest" in refused.stderr
    assert set(box.results(box.blut()).values()) <= {"reused", "observed", "executed"}  # as others expect it


def test_curves_and_a_picture_are_in_the_event_log(box: Box) -> None:
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        key = dg.AssetKey(["lamquant", "joint_checkpoint"])
        records = instance.fetch_observations(key, limit=100).records
        epochs = [record.asset_observation.metadata for record in records if record.asset_observation]
    assert len(epochs) >= 2
    assert all(
        {"epoch", "loss", "quantised_prdn", "quantised_r", "bits_per_sample"} <= metadata.keys()
        for metadata in epochs
    )
    assert "data:image/png;base64," in str(box.shown("joint_checkpoint")["reconstruction"])


def test_the_run_that_trained_left_the_same_numbers_and_a_whole_manifest(box: Box) -> None:
    key = dg.AssetKey(["lamquant", "joint_checkpoint"])
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        records = instance.fetch_observations(key, limit=100, ascending=True).records
    run_id = records[0].run_id
    logged = [r.asset_observation.metadata for r in records if r.run_id == run_id and r.asset_observation]
    rows = metrics.read(metrics_files(box.home, run_id)["lamquant/joint_checkpoint"])
    assert [row["loss"] for row in rows] == [entry["loss"].value for entry in logged]
    known = manifest.read(manifest_path(box.home, run_id))
    assert (known["outcome"], known["recipe"], known["intent"]) == ("succeeded", RECIPE, "smoke")
    assert known["config"]["preset"] == "smoke" and known["seed"] == 42
    assert known["artifacts"].keys() >= {f"lamquant/{name}" for name in KEPT}
    assert known["inputs"].keys() == {
        "lamquant/recordings",
        "lamquant/floor_registry",
        "lamquant/split_request",
    }
    assert known["peak_memory_bytes"] > 1e8 and "--args" in known["argv"]


def test_a_second_run_computes_nothing_and_starts_no_process(box: Box) -> None:
    before = box.versions()
    trap = box.root / "trap"
    trap.mkdir()
    (trap / "sitecustomize.py").write_text(
        "import os\nif 'BLUT_PAYLOAD_CONFIG' in os.environ: os._exit(77)\n"
    )
    done = box.blut(env=box.environment(trap))
    assert done.returncode == 0, done.stdout
    assert "0 computed, 5 reused" in done.stdout
    assert box.versions() == before


def test_dagsters_own_commands_reuse_what_blut_made(box: Box, tmp_path: Path) -> None:
    before = box.versions()
    args = tmp_path / "args.yaml"
    args.write_text(yaml.safe_dump(box.args))
    job = [*DAGSTER, "job", "execute", "-m", "blut_assets.definitions", "-j", RECIPE, "--config", str(args)]
    for run in (
        lambda: subprocess.run(job, env=box.environment(), cwd=tmp_path, capture_output=True),
        lambda: box.materialize('+key:"lamquant/promoted_codec"', box.ops()),
    ):
        assert run().returncode == 0
        assert box.versions() == before
        assert all(box.metadata(name)["reused"] for name in KEPT)


def test_a_policy_begins_with_the_run_that_passed(box: Box, tmp_path: Path) -> None:
    env = {**box.environment(), "BLUT_TRAIN_POLICY": str(tmp_path / "policy.toml")}
    enabled = subprocess.run([*BLUT, "policy", "enable"], env=env, capture_output=True, text=True)
    assert enabled.returncode == 0, enabled.stderr
    policy = tomllib.loads((tmp_path / "policy.toml").read_text())
    assert policy["enabled"] and policy["recipe"] == RECIPE
    assert {**box.args, **policy["args"]} == box.args and policy["args"]["edf_root"] == str(box.edf)
    assert "change the line" in enabled.stdout


def test_the_launchpad_takes_the_recipes_args_and_reuses_what_the_command_made(box: Box) -> None:
    before = box.versions()
    with dagster_dev("blut_assets.definitions", box.environment()) as ui:
        assert ui.wait(ui.launch(RECIPE, box.args)) == "SUCCESS"
        _assert_a_stranger_can_fill_in_the_form(ui)
    assert box.versions() == before
    assert all(box.metadata(name)["reused"] for name in KEPT)


def _assert_a_stranger_can_fill_in_the_form(ui: Ui) -> None:
    """The defaults are there, what is missing is named, and so is a value that will not do."""
    filled = ui.defaults(FINETUNE.name)
    assert filled.items() >= {"base_model": "sample:smollm2", "quant": "Q8_0", "epochs": 3}.items()
    assert filled.keys() <= FINETUNE.template().keys()
    missing = str(ui.answer(FINETUNE.name, filled))
    assert "RunConfigValidationInvalid" in missing and "['dataset_path', 'output_name']" in missing
    scaffolded = ui.answer(FINETUNE.name, {**filled, "dataset_path": "", "output_name": ""})["message"]
    assert "argument 'dataset_path' is missing: file of examples" in scaffolded
    given = {**filled, "dataset_path": "rows.jsonl", "output_name": "my model"}
    assert "root:quant not in enum" in str(ui.answer(FINETUNE.name, {**given, "quant": "Q4"}))
    refused = ui.answer(FINETUNE.name, {**given, "epochs": 0})["message"]
    assert "argument 'epochs' = 0: " in refused and "allowed: int >= 1 <= 1000" in refused
    assert "argument 'output_name' = 'my model': " in refused


@pytest.mark.sqlite  # each of its logs is a file
def test_the_same_recordings_elsewhere_are_reused(box: Box) -> None:
    """And a run that computes nothing leaves little: what is shown is not shown again."""
    moved = box.root / "moved"
    shutil.copytree(box.edf, moved)
    assert "0 computed, 5 reused" in box.blut(edf_root=str(moved)).stdout
    before, logs = weight(box.home), box.logs()
    assert "0 computed, 5 reused" in box.blut(edf_root=str(moved)).stdout
    # of it 180,000 are what nine results and five checks say in events, each in two databases
    assert weight(box.home) - before < 450_000, "it was a million when each event had the pictures"
    (log,) = box.logs() - logs
    assert b";base64," not in log.read_bytes(), "curves in place are text, pictures are not"
    shown_by = box.metadata("joint_checkpoint")["shown_by"]
    (shown,) = [path for path in logs if path.stem == shown_by]
    assert log.stat().st_size < shown.stat().st_size and b";base64," in shown.read_bytes()


@pytest.mark.heavy
def test_a_run_killed_while_training_resumes_and_ends_with_the_same_bytes(box: Box, tmp_path: Path) -> None:
    """Run, supervisor and payload at once, while the checkpoint of the third epoch is written."""
    before = box.versions()
    changes: dict[str, Any] = {"seed": 99, "epochs": 6, "allow_worse": "it may be, this is about the resume"}
    fault = {"at": "before the codec's checkpoint appears", "victim": "tree", "nth": 3}
    environment = box.environment(REPOSITORY / "tests" / "faults")
    environment["BLUT_FAULT"] = json.dumps({**fault, "fired": str(tmp_path / "fired")})
    killed = box.blut(env=environment, **changes)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr[-4000:]
    resumed = box.blut(**changes)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr[-4000:]
    results = box.results(resumed)
    assert results["lma_corpus"] == results["training_windows"] == "reused"
    assert results["joint_checkpoint"] == results["pccp_verdict"] == "computed"
    first, last = box.epochs()[0], box.epochs()[-1]
    assert (first, last) == (3, 6), "training goes on behind the epochs that were finished"
    version = box.versions()["joint_checkpoint"]
    assert version != before["joint_checkpoint"]

    # once more, undisturbed, and alone
    ops = box.ops(reuse="never", **changes)["ops"]
    alone = {"ops": {"lamquant__joint_checkpoint": ops["lamquant__joint_checkpoint"]}}
    assert box.materialize('key:"lamquant/joint_checkpoint"', alone).returncode == 0
    assert box.metadata("joint_checkpoint")["reused"] is False
    assert box.versions()["joint_checkpoint"] == version

    page = box.shown("pccp_verdict")
    verdict = page["verdict"]
    assert verdict["incumbent"]["candidate"] == before["joint_checkpoint"]
    assert verdict["tries"] == 2 and verdict["synthetic"] is True
    pictures = [page[name] for name in ("rate", "channels_and_floors", "worst_ten_seconds")]
    assert all("](data:image/" in picture for picture in pictures)
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        kept = store_of(instance).open(box.versions()["pccp_verdict"])
        assert not list(kept.rglob("*.png")), "a verdict travels, and they show recordings"
        assert len(json.loads((kept / "rate.json").read_text())["curves"]) == 3

    # the verdict of before was made beside nothing, as one without an alias is
    assert "0 computed, 5 reused" in box.blut(promote_as="").stdout, (
        "back to the args of before: the old results are found"
    )
    assert box.versions() == before


def test_one_bad_recording_is_counted_and_does_not_lose_the_others(box: Box, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(box.edf, mixed)
    good = next(mixed.rglob("*.edf"))
    (mixed / "cut.edf").write_bytes(good.read_bytes()[:1000])
    command = [*BLUT, "recipe", "run", "lamquant_data_prep", "--args", json.dumps({"edf_root": str(mixed)})]
    done = subprocess.run(command, env=box.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert box.metadata("lma_corpus")["n_archives"] == 3
    assert box.metadata("lma_corpus")["n_refused"] == 1


@pytest.mark.heavy
def test_a_codec_below_its_floors_is_refused_also_where_the_gate_is_not_run(box: Box) -> None:
    strict = box.write_registry("strict", {"min_r": 0.9999, "max_prdn": 0.1, "min_cr": 500})
    refused = box.blut(registry=str(strict), promote_as="lamquant-joint@synthetic-strict")
    assert refused.returncode == 1
    assert "pccp_gate failed" in refused.stdout and "cr" in refused.stdout
    accepted = box.blut(
        "--accept-refusal", registry=str(strict), promote_as="lamquant-joint@synthetic-strict"
    )
    assert accepted.returncode == 0 and "pccp_gate failed" in accepted.stdout
    assert box.blut("--accept-refusal", edf_root="/nowhere").returncode != 0, "that is no refusal of a gate"
    config = {"ops": {"lamquant__promoted_codec": {"config": {"alias": "lamquant-joint@synthetic-strict"}}}}
    around = box.materialize('key:"lamquant/promoted_codec"', config)
    assert around.returncode != 0
    assert "PromotionRefused" in around.stderr
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        assert "synthetic-strict" not in ModelRegistry(store_of(instance).root / "registry").aliases(
            "lamquant-joint"
        )


@pytest.mark.heavy
def test_every_judged_codec_is_a_version_that_is_staged_without_training(box: Box) -> None:
    assert box.blut().returncode == 0
    strict = box.write_registry("stricter", {"min_r": 0.9998, "max_prdn": 0.1, "min_cr": 500})
    assert box.blut(registry=str(strict), seed=5, promote_as="").returncode == 1

    def model(*args: str) -> subprocess.CompletedProcess[str]:
        return server(*RUN).run([*BLUT, "model", *args][1:], box.environment(), box.root)

    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        registry = ModelRegistry(store_of(instance).root / "registry")
        versions = registry.versions("lamquant-joint")
        before = len(registry.registrations("lamquant-joint"))
    good, bad = min(versions), max(versions)
    assert (versions[good].passed, versions[bad].passed) == (True, False)
    assert box.blut().returncode == 0
    assert len(registry.registrations("lamquant-joint")) == before, "the same verdict adds nothing"
    listed = model("list").stdout
    assert "lamquant-joint" in listed and f"synthetic-test -> version {good}" in listed
    table = model("show", "lamquant-joint").stdout.splitlines()
    assert "worst_prdn" in table[0] and len(table) == len(versions) + 1
    told = model("show", f"lamquant-joint@{good}").stdout
    assert "every floor met" in told and "measured: worst_prdn" in told
    staged = model("promote", "lamquant-joint@synthetic-next", "--version", str(good), "--why", "to look at")
    assert staged.returncode == 0, staged.stderr
    worse = ["promote", "lamquant-joint@synthetic-next", "--version", str(bad), "--allow-worse", "a look"]
    assert model(*worse).returncode == 0
    assert f"version {good} again" in model("rollback", "lamquant-joint@synthetic-next").stdout
    assert "is retired by" in model("retire", f"lamquant-joint@{bad}").stdout


def test_a_candidate_whose_bytes_were_changed_is_not_promoted(box: Box) -> None:
    assert box.blut().returncode == 0
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        weights = store_of(instance).open(box.versions()["joint_checkpoint"]) / "model.safetensors"
    sound = weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    config = {"ops": {"lamquant__promoted_codec": {"config": {"alias": "lamquant-joint@synthetic-damaged"}}}}
    assert box.materialize('key:"lamquant/promoted_codec"', config).returncode != 0
    weights.write_bytes(sound)
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        assert "synthetic-damaged" not in ModelRegistry(store_of(instance).root / "registry").aliases(
            "lamquant-joint"
        )


@pytest.mark.heavy
def test_a_decoder_that_crashes_is_a_failing_verdict_that_no_later_run_reuses(box: Box) -> None:
    killed, over = threading.Event(), threading.Event()

    def kill_the_decoder() -> None:
        while not killed.is_set() and not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError, ProcessLookupError):
                    words = path.read_bytes().split(b"\0")
                    mine = str(box.root).encode() in (path.parent / "environ").read_bytes()
                    if mine and b"cookbooks.lamquant.payload.codec_decode" in words:
                        os.kill(int(path.parent.name), signal.SIGKILL)
                        killed.set()

    watch = threading.Thread(target=kill_the_decoder)
    watch.start()
    crashed = box.blut(change_id="CRASH-1")
    over.set()
    watch.join()
    assert killed.is_set() and crashed.returncode == 1
    assert box.metadata("pccp_verdict")["passed"] is False
    again = box.blut(change_id="CRASH-1")
    assert again.returncode == 0
    assert box.results(again)["pccp_verdict"] == "computed"
