"""What a person asks for is copied there and back, and told: `blut cache push|pull|sync`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_assets.stages import reuse
from blut_resources.instance.instance import store_of
from blut_resources.remote import tier as tiers
from blut_resources.remote.bucket import Bucket
from blut_resources.store import results
from tests.blut_resources.remote.conftest import Opens
from tests.buckets import Wire
from tests.far import COUNTED, run

Blut = Callable[..., Result]


@pytest.fixture
def blut() -> Blut:
    """Give a command about the machine that was opened last."""
    return lambda *words: CliRunner().invoke(app, ["cache", *words], prog_name="blut")


def newest(instance) -> str:
    """The id of the newest run."""
    return instance.get_runs(limit=1)[0].run_id


def test_a_run_is_pushed_and_its_other_machine_names_it_too(machine: Opens, blut: Blut) -> None:
    """By the run, by a digest, and all; and what was pulled so is a result."""
    with machine("first") as instance:
        one, other = run(instance), run(instance, text="b")
        run_of_other = newest(instance)
    first, second = reuse.digest_of(one), reuse.digest_of(other)
    planned = blut("push", run_of_other[:8], "--dry-run")
    assert planned.stdout == "would be pushed: 1 artifact, 1 bytes\n" and planned.exit_code == 0
    pushed = blut("push", run_of_other[:8])
    assert pushed.exit_code == 0 and pushed.stdout.startswith("pushed: 1 artifact, 1 bytes, in ")
    assert f"{second[:12]} far/sentence: pushed, 1 bytes (1 of 1)" in pushed.stderr
    assert "If-None-Match" not in pushed.stderr
    told = json.loads(blut("push", "--all", "--json").stdout)
    outcomes = {row["digest"]: row["outcome"] for row in told["artifacts"]}
    assert outcomes == {first: "pushed", second: "there"}

    with machine("second") as instance:
        store = store_of(instance)
        assert blut("pull", run_of_other[:8]).exit_code == 0
        assert store.has(second) and not store.has(first)
        assert blut("pull", first[:10]).exit_code == 0 and store.has(first)
        assert {noted.digest for noted in results.every(store.root)} == {first, second}
        again = blut("pull", "--all")
        assert again.stdout.startswith("2 here already, in ")
        assert reuse.is_reused(run(instance)) and COUNTED == ["a", "b"]


def test_what_each_lacks_is_copied_both_ways(machine: Opens, blut: Blut) -> None:
    """Also where only one side knows what was named."""
    with machine("first") as instance:
        first = reuse.digest_of(run(instance))
    assert blut("sync", "--all").stdout.startswith("pushed: 1 artifact")
    with machine("second") as instance:
        second = reuse.digest_of(run(instance, text="b"))
        both = blut("sync", first[:12], second[:12], "--json")
        assert both.exit_code == 0, both.stderr
        rows = [(row["digest"], row["outcome"]) for row in json.loads(both.stdout)["artifacts"]]
        assert (second, "pushed") in rows and (first, "pulled") in rows
        assert store_of(instance).has(first)


def test_what_makes_no_sense_is_refused(machine: Opens, blut: Blut, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is copied."""
    with machine("first"):
        assert [blut("push").exit_code, blut("push", "--all", "ab").exit_code] == [2, 2]
        unknown = blut("pull", "abcdef0123")
        assert unknown.exit_code == 1 and "neither this history nor s3://bucket/" in unknown.stderr
        assert "nothing is known of an artifact" in blut("push", "abcdef0123").stderr
        monkeypatch.setenv("BLUT_REMOTE", "s3://nowhere")
        refused = blut("push", "--all")
        assert refused.exit_code == 1 and "NoSuchBucket: there is no such bucket: make it" in refused.stderr
        monkeypatch.setenv("BLUT_REMOTE", "bucket")
        assert "no address of a bucket; give s3://bucket/prefix" in blut("push", "--all").stderr
        monkeypatch.delenv("BLUT_REMOTE")
        assert "there is no remote: export BLUT_REMOTE" in blut("push", "--all").stderr


def test_one_that_cannot_be_copied_holds_up_no_other(machine: Opens, blut: Blut, url: str) -> None:
    """And the status says that there was one."""
    with machine("first") as instance:
        bad, good = (reuse.digest_of(run(instance, text=text)) for text in "ab")
    blut("push", "--all")
    Bucket(url).replace(tiers._tar(bad), b"rubbish")
    with machine("second") as instance:
        pulled = blut("pull", "--all")
        assert pulled.exit_code == 1 and "1 failed" in pulled.stdout
        assert f"{bad[:12]} -: s3://" in pulled.stderr and store_of(instance).has(good)


def test_a_server_that_writes_over_what_is_there_is_told_of(
    machine: Opens, blut: Blut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used all the same."""

    def over(self: Bucket, path: str, data: bytes) -> bool:
        self.replace(path, data)
        return True

    monkeypatch.setattr(Bucket, "add", over)
    with machine("first") as instance:
        run(instance)
    pushed = blut("push", "--all")
    assert pushed.exit_code == 0 and "does not heed `If-None-Match`" in pushed.stderr


def test_a_directory_is_a_remote_too(
    machine: Opens, blut: Blut, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that is there: nobody makes a mount point that is not mounted."""
    with machine("first") as instance:
        digest = reuse.digest_of(run(instance))
    place = tmp_path / "mounted"
    monkeypatch.setenv("BLUT_REMOTE", f"file://{place}")
    assert "there is no such directory: make it, or mount" in blut("push", "--all").stderr
    place.mkdir()
    assert blut("push", "--all").exit_code == 0
    with machine("second") as instance:
        assert blut("pull", digest).exit_code == 0 and store_of(instance).has(digest)


def test_the_doctor_asks_the_remote(
    machine: Opens, wire: Wire, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without writing anything there."""
    from blut_assets.cli.commands.checkup import _remote

    with machine("first"):
        (found,) = _remote()
        assert found.state == "ok" and found.found == f"{url} answers, and nothing was pushed to it yet"
        assert list(Bucket(url).names("")) == []
        wire.down, wire.cuts = 0, 1000
        (found,) = _remote()
        assert found.state == "broken" and "no answer" in found.found
        monkeypatch.delenv("BLUT_REMOTE")
        assert list(_remote()) == []
