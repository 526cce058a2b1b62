"""What is executed again after which change, counted on a graph of ten stages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.instance.instance import open_instance, store_of
from tests.chain import Chain

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def chain(home: Path, tmp_path: Path) -> Chain:
    return Chain(tmp_path / "project")


def names(chain: Chain, first: int, last: int = 10) -> list[str]:
    return [chain.name(number) for number in range(first, last + 1)]


def test_the_whole_row_of_changes_executes_only_what_they_touch(chain: Chain) -> None:
    assert chain.run() == names(chain, 1), "first run"
    assert chain.run() == [], "nothing changed"

    os.utime(chain.input)
    assert chain.run() == [], "input touched, same bytes"

    chain.edit(5, "        mark =", "        # a remark\n        mark =")
    assert chain.run() == [], "a comment is no statement"

    chain.edit(5, "mark", "row")
    assert chain.run() == ["s05"], "another statement, same output: nothing below runs"

    chain.set_word(5, "v1")
    assert chain.run() == names(chain, 5), "another output: it and all below"

    chain.set_word(5, "v0")
    assert chain.run() == [], "reverted: the old results are found"

    with open_instance() as instance:
        record = instance.get_latest_materialization_event(dg.AssetKey(["chain", "s10"]))
        assert record and record.asset_materialization
        digest = record.asset_materialization.metadata["artifact"].value["digest"]  # type: ignore[index]
        shutil.rmtree(store_of(instance).open(digest))
    assert chain.run() == ["s10"], "last output deleted"

    chain.set_word(1, "v1")
    chain.kill_in(6)
    assert chain.run() == names(chain, 6), "killed in stage 6: the first five are reused"


def test_a_flipped_byte_is_found_reported_and_mended(chain: Chain) -> None:
    chain.run()
    with open_instance() as instance:
        record = instance.get_latest_materialization_event(dg.AssetKey(["chain", "s07"]))
        assert record and record.asset_materialization
        digest = record.asset_materialization.metadata["artifact"].value["digest"]  # type: ignore[index]
        data = store_of(instance).open(digest) / "data"
    data.chmod(0o644)
    data.write_bytes(data.read_bytes().replace(b"v0", b"v9"))
    assert chain.run() == ["s07"]
    with open_instance() as instance:
        warnings = [
            entry.user_message
            for run in instance.get_runs(limit=1)
            for entry in instance.all_logs(run.run_id)
            if entry.level == 30
        ]
    assert any("chain/s07" in message and digest[:12] in message for message in warnings)


def test_the_plan_says_what_would_run_why_and_what_it_cost(chain: Chain) -> None:
    chain.run()
    chain.set_word(5, "v1")
    script = (
        "import json; from blut_resources.instance.instance import open_instance;"
        " from blut_assets.history.planning import plan;"
        " from chain.defs import recipe; instance = open_instance();"
        " planned = plan(instance, recipe.assets, recipe.configs(recipe.parse({})));"
        " print(json.dumps([p.as_dict() for p in planned]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=chain.environment(), capture_output=True, text=True, check=True
    )
    planned = {p["asset"]: p for p in json.loads(done.stdout)}
    assert planned["chain/s04"]["state"] == "fresh"
    assert planned["chain/s05"]["state"] == "stale"
    assert planned["chain/s05"]["reason"] == "source changed: chain.s05_make"
    assert planned["chain/s05"]["last_seconds"] > 0
    assert planned["chain/s06"]["state"] == "blocked" and "chain/s05" in planned["chain/s06"]["reason"]
    assert chain.log.read_text().split() == names(chain, 1), "planning executes nothing"


def test_an_empty_selection_runs_nothing(chain: Chain) -> None:
    chain.log.write_text("")
    done = subprocess.run(
        chain.command("--select", "group:no_such_group"),
        env=chain.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert chain.log.read_text() == ""
