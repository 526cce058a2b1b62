"""The artifact store and the datasets, from the command line."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.e2e.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Blut = Callable[..., Result]


def test_the_store_shows_what_it_holds_and_of_whom(day: Scene, blut: Blut) -> None:
    shown = json.loads(blut("cache", "show", "--all", "--json").stdout)
    totals = {row["asset"]: row["artifacts"] for row in shown["totals"]}
    assert totals["contained/trained"] == 2 and totals["contained/raw"] == 1
    assert {"contained/trained"} == {one["asset"] for one in shown["artifacts"] if "trained" in one["asset"]}
    assert "contained/trained" in blut("cache", "show").stdout
    (first,) = [run["id"] for run in json.loads(blut("jobs", "--json").stdout)[-1:]]
    made_by = {one["asset"]: one["runs"] for one in shown["artifacts"] if first in one["runs"]}
    assert made_by.keys() == {"contained/raw", "contained/trained", "contained/judged"}
    assert first[:8] in blut("cache", "show", "--all").stdout
    pruned = blut("cache", "prune", "--newest", "1", "--dry-run")
    assert pruned.exit_code == 0 and pruned.stdout.startswith("would remove 0 artifacts")


def test_only_so_much_goes_that_the_store_fits_the_oldest_first(day: Scene, blut: Blut) -> None:
    artifacts = json.loads(blut("cache", "show", "--all", "--json").stdout)["artifacts"]
    own = [one for one in artifacts if not one["external"]]
    asked = ("cache", "prune", "--newest", "1", "--dry-run")
    recent = blut(*asked, "--max-gb", "0").stdout
    assert "stay, of 0 bytes that are allowed" in recent and "too much" in recent
    assert "used within the last hour" in recent and "the newest 1 results of each asset" in recent
    for one in own:
        hour = 1 if one["asset"] == "contained/judged" else 2
        os.utime(Path(one["path"]).parent / "manifest.json", (3600 * hour, 3600 * hour))
    total = sum(one["bytes"] for one in own)
    every = json.loads(blut(*asked, "--json").stdout)
    assert json.loads(blut(*asked, "--json", "--max-gb", str(total / 1e9)).stdout)["removed"] == []
    some = json.loads(blut(*asked, "--json", "--max-gb", str((total - 1) / 1e9)).stdout)
    (oldest,) = (one for one in own if one["digest"] in some["removed"])
    assert oldest["asset"] == "contained/judged" and some["bytes_left"] == total - oldest["bytes"]
    assert {*some["spared"]} == {*every["removed"]} - {oldest["digest"]} and some["spared"]


def test_the_seconds_that_reuse_saved_are_told_of_each_asset(day: Scene, blut: Blut) -> None:
    again = day.blut("recipe", "run", "contained", "--args", '{"epochs": 3}')
    assert again.returncode == 0, again.stderr
    run = json.loads(blut("jobs", "--json").stdout)[0]["id"]
    told = json.loads(day.blut("cache", "stats", run, "--json").stdout)
    assert {one["asset"]: one["result"] for one in told["assets"]} == {
        "contained/raw": "observed",
        "contained/trained": "reused",
        "contained/judged": "reused",
    }
    assert told["reused"] == 2 and told["computed"] == 0 and told["saved_unknown"] == 0
    assert 0 < told["seconds_saved"] == sum(one["seconds_saved"] or 0 for one in told["assets"])
    assert "2 reused, 0 computed; " in day.blut("cache", "stats", run[:8]).stdout
    first = json.loads(blut("jobs", "--json").stdout)[-1]["id"]
    assert json.loads(blut("cache", "stats", first, "--json").stdout)["seconds_saved"] == 0


def test_a_flipped_byte_is_found_and_named(day: Scene, blut: Blut) -> None:
    assert blut("cache", "verify").exit_code == 0
    artifacts = json.loads(blut("cache", "show", "--all", "--json").stdout)["artifacts"]
    one = next(one for one in artifacts if one["asset"] == "contained/trained")
    model = Path(one["path"]) / "model"
    before = model.read_bytes()
    model.chmod(0o644)
    model.write_bytes(b"#" + before[1:])
    found = blut("cache", "verify", "--json")
    assert found.exit_code == 1 and str(model) in json.loads(found.stdout)["damaged"][one["digest"]]
    model.write_bytes(before)
    assert blut("cache", "verify", one["digest"][:8]).exit_code == 0
    assert blut("cache", "verify", "zzz").exit_code == 2


def test_rows_that_cannot_be_learned_are_refused_with_their_place(day: Scene, blut: Blut) -> None:
    rows = day.root / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b"}\n{"promt": "a"}\n')
    refused = blut("data", "add", "rows", rows)
    assert refused.exit_code == 1 and "rows.jsonl:2: format: is in no known format" in refused.stderr
    assert "'prompt' for 'promt'" in refused.stderr or "'promt' for 'prompt'" in refused.stderr
    assert "rows" not in [one["name"] for one in json.loads(blut("data", "list", "--json").stdout)]
    accepted = json.loads(blut("data", "add", "rows", rows, "--accept-bad", "--json").stdout)
    assert accepted["counts"]["rows"] == 1 and accepted["n_problems"] == 1 and accepted["kind"] == "examples"
    assert blut("data", "add", "rows", rows, "--accept-bad").exit_code == 2, "the name is taken"
    assert "is forgotten" in blut("data", "rm", "rows").stdout and rows.exists()
    assert blut("data", "show", "rows").exit_code == 2


def test_a_change_of_the_data_is_seen(day: Scene, blut: Blut) -> None:
    file = day.root / "pairs.jsonl"
    file.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    added = blut("data", "add", "pairs", file, "--kind", "preferences")
    assert added.exit_code == 0, added.stderr
    assert blut("data", "check", "pairs").exit_code == 0
    with file.open("a") as more:
        more.write('{"prompt": "d", "chosen": "e", "rejected": "f"}\n')
    changed = blut("data", "check", "pairs")
    assert changed.exit_code == 1 and "pairs.jsonl has changed" in changed.stdout
    assert blut("data", "add", "pairs", file, "--kind", "preferences", "--replace").exit_code == 0
    assert json.loads(blut("data", "show", "pairs", "--json").stdout)["counts"] == {"rows": 2}


def test_recordings_are_known_by_their_headers_and_have_the_digest_of_the_asset(
    day: Scene, blut: Blut
) -> None:
    from cookbooks.lamquant.samples.synthetic import write_synthetic

    eeg = day.root / "eeg"
    write_synthetic(eeg, 2, 10, 7, channels=("Fp1",))
    added = json.loads(blut("data", "add", "eeg", eeg, "--json").stdout)
    assert (
        added["kind"] == "recordings" and added["counts"].items() >= {"recordings": 2, "seconds": 20}.items()
    )
    made = blut("stage", "run", "lamquant/recordings", "--config", '{"edf_root": "data://eeg"}')
    assert made.exit_code == 0 and added["digest"][:12] in made.stdout, made.output
    next(eeg.rglob("*.edf")).write_bytes(b"not an EDF file")
    assert blut("data", "check", "eeg").exit_code == 1


@pytest.mark.parametrize("name", ["../x", ".x", "-x", "a/b", "x" * 65])
def test_a_name_that_is_none_is_refused(day: Scene, blut: Blut, name: str) -> None:
    refused = blut("data", "add", "--", name, day.root / "talk.jsonl")
    assert refused.exit_code == 2 and "1 to 64 of letters" in refused.stderr


def test_what_a_copied_file_was_made_of_is_told_also_when_its_run_is_gone(
    day: Scene, blut: Blut, tmp_path: Path
) -> None:
    first = json.loads(blut("jobs", "--json").stdout)[-1]["id"]
    artifacts = json.loads(blut("cache", "show", "--all", "--json").stdout)["artifacts"]
    model = next(one for one in artifacts if one["asset"] == "contained/trained" and first in one["runs"])
    copied, folder = tmp_path / "on-the-server", tmp_path / "folder"
    shutil.copyfile(Path(model["path"]) / "model", copied)
    shutil.copytree(model["path"], folder)
    told = blut("lineage", model["digest"][:10]).stdout
    assert f"contained/trained {model['digest'][:12]}" in told and f"run {first[:8]} of contained" in told
    assert "\n  epochs=3\n" in told and "\n  raw: contained/raw " in told, "settings and inputs"
    for asked, how in ((copied, "its model"), (folder, "its bytes")):
        assert blut("lineage", asked).stdout == told.replace("its digest", how)
    (folder / "notes.txt").write_text("added on the server")
    assert "found by 1 of the 2 files\ncontained/trained" in blut("lineage", folder).stdout
    (found,) = json.loads(blut("lineage", copied, "--down", "--json").stdout)
    made_of_it = {way["asset"] for one in found["made_of_it"] for way in one["made"]}
    assert made_of_it == {"contained/judged"} and found["runs"][0]["args"]["epochs"] == 3
    with day.instance() as instance:
        instance.delete_run(first)
    gone = blut("lineage", copied, "--down").stdout
    assert f"run {first[:8]}, which was deleted" in gone and "\n  epochs=3\n" in gone
    assert "made of it\n  contained/judged" in gone
    copied.write_text("one byte more")
    for asked, status in ((copied, 1), ("123456", 1), ("no/such/file", 1), ("", 1), ("mine@7", 2)):
        refused = blut("lineage", asked)
        assert refused.exit_code == status and len(refused.stderr.splitlines()) == 1, refused.output
