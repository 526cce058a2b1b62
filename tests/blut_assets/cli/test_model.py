"""`blut model` on a registry on disk: what it shows, what it moves, and its status when it refuses."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app as root
from blut_assets.cli.commands.model import app
from blut_assets.history.retention import reachable
from blut_assets.terminal.output import size
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.store.gc import NEWEST, collect
from cookbooks.lamquant.sources import SHIPPED_REGISTRY as SHIPPED
from tests.blut_resources.registry.test_versions import Bench


@pytest.fixture
def bench(home: Path, tmp_path: Path) -> Bench:
    with open_instance() as instance:
        made = Bench(tmp_path, store_of(instance))
    made.govern("prod")
    made.register("bad", kl=0.5)
    made.register("good")
    return made


def blut_model(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def table(*args: str) -> list[list[str]]:
    """The cells of a table that must be printed."""
    done = blut_model(*args)
    assert done.exit_code == 0, done.output
    return [[cell for cell in line.split("  ") if cell] for line in done.stdout.splitlines()]


def test_versions_names_and_figures_are_listed(bench: Bench) -> None:
    bench.promote("prod", 2)
    bench.promote("next", 1)
    (_, row) = table("list")
    assert [cell.strip() for cell in row[:3]] == ["mine", "2", "0"]
    assert row[-1].strip() == "next -> version 1, prod -> version 2"
    head, bad, good = table("show", "mine")
    assert [cell.strip() for cell in head[:5]] == ["version", "verdict", "aliases", "retired", "kl"]
    assert [cell.strip() for cell in bad[:5]] == ["1", "failed", "next", "-", "0.5"]
    assert [cell.strip() for cell in good[:5]] == ["2", "passed", "prod", "-", "0.05"]
    everything = blut_model("show", "mine@prod").stdout
    record = bench.registry.registration("mine@2")
    assert all(digest in everything for digest in record.digests())
    assert "floor: fidelity kl" in everything and "<= 0.1" in everything
    assert json.loads(blut_model("show", "mine@2", "--json").stdout)["candidate"] == record.candidate


def test_a_digest_or_a_file_is_shown_as_the_version_it_belongs_to(bench: Bench, tmp_path: Path) -> None:
    record = bench.registry.registration("mine@2")
    copied = tmp_path / "downloaded.gguf"
    copied.write_text("good")
    for asked in (record.candidate[:8], record.candidate, str(copied)):
        shown = blut_model("show", asked)
        assert shown.exit_code == 0 and shown.stdout == blut_model("show", "mine@2").stdout
    assert " merged of mine@2: `blut lineage " in blut_model("show", record.inputs["merged"]).stdout
    made_of = CliRunner().invoke(root, ["lineage", str(copied)]).stdout
    assert "registered as mine@2 by run" in made_of and f"merged: {record.inputs['merged'][:12]}" in made_of
    refused = blut_model("show", "0000")
    assert refused.exit_code == 2 and "no model is called '0000'; there are: mine" in refused.stderr


def test_a_name_resolves_to_a_digest_or_to_the_bytes(bench: Bench) -> None:
    bench.promote("prod", 2)
    record = bench.registry.registration("mine@2")
    assert blut_model("resolve", "mine@prod").stdout.strip() == record.candidate
    assert blut_model("resolve", "mine@2", "--role", "merged").stdout.strip() == record.inputs["merged"]
    assert Path(blut_model("resolve", "mine@prod", "--path").stdout.strip()).read_text() == "good"
    refused = blut_model("resolve", "mine@2", "--role", "weights")
    assert refused.exit_code == 2 and "none of candidate, evaluation, merged" in refused.stderr


def test_a_model_is_handed_out_whole_with_a_card(bench: Bench, tmp_path: Path) -> None:
    bench.promote("prod", 2)
    out = tmp_path / "out"
    done = blut_model("export", "mine@prod", str(out), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["model"] == "mine@2" and "README.md" in told["files"] and len(told["files"]) == 2
    (given,) = [path for path in out.iterdir() if path.name != "README.md"]
    assert given.read_text() == "good" and os.access(given, os.W_OK), "it is the user's own"
    assert "mine@prod" in (out / "README.md").read_text()
    for words, status, reason in (
        (("mine@prod", str(out)), 2, "is there already; name a new one"),
        (("mine@prod", str(tmp_path / "not" / "there")), 2, "there is no directory"),
        (("mine@prod", str(tmp_path / "new"), "--as", "fils"), 1, "did you mean 'files'"),
        (("mine@prod", str(tmp_path / "new"), "--as", "gguf"), 1, "is no language model"),
        (("mine@7", str(tmp_path / "new")), 2, "has no version 7"),
    ):
        refused = blut_model("export", *words)
        assert refused.exit_code == status and reason in refused.stderr
        assert not (tmp_path / "new").exists()


def test_a_model_that_cannot_be_written_whole_is_not_there(bench: Bench, tmp_path: Path) -> None:
    with open_instance(write=False) as instance:
        candidate = bench.registry.registration("mine@2").candidate
        damaged = store_of(instance).open(candidate)
    damaged = next(damaged.iterdir()) if damaged.is_dir() else damaged
    damaged.chmod(0o600)
    damaged.write_text("other bytes")
    refused = blut_model("export", "mine@2", str(tmp_path / "out"))
    assert refused.exit_code == 1 and candidate[:12] in refused.stderr
    assert not (tmp_path / "out").exists() and not [*tmp_path.glob(".out.*")]


def test_promotion_is_refused_without_a_pass_and_undone_by_rollback(bench: Bench) -> None:
    refused = blut_model("promote", "mine@prod", "--version", "1")
    assert refused.exit_code == 1 and refused.stdout == ""
    assert "mine@1 is not promoted to mine@prod: the verdict is a fail" in refused.stderr
    done = blut_model("promote", "mine@prod", "--version", "2")
    assert done.stdout.strip() == "mine@prod stands for version 2, which passed"
    for version in ("1", "2"):
        done = blut_model("promote", "mine@next", "--version", version)
    assert done.stdout.splitlines() == [
        "mine@next stands for version 2, unjudged: the alias is not governed",
        "it was not compared with what it replaces",
    ]
    assert "as before" in blut_model("promote", "mine@next", "--version", "2").stdout
    assert blut_model("rollback", "mine@next").stdout.strip() == "mine@next stands for version 1 again"
    assert blut_model("rollback", "mine@next").exit_code == 2
    told = [(e["action"], e["what"]) for e in json.loads(blut_model("history", "mine", "--json").stdout)]
    assert told == [
        ("govern", "floors of prod"),
        *(("register", "version 1"), ("register", "version 2"), ("promote", "prod -> version 2")),
        *(("promote", "next -> version 1"), ("promote", "next -> version 2")),
        ("rollback", "next -> version 1"),
    ]


def test_a_version_is_retired_and_what_that_frees_is_said_first(bench: Bench) -> None:
    bench.promote("prod", 2)
    named = blut_model("retire", "mine@2")
    assert named.exit_code == 1 and "mine@prod stands for it" in named.stderr
    asked = blut_model("retire", "mine@1", "--dry-run").stdout
    record = bench.registry.registration("mine@1")
    freed = size(sum(item.n_bytes for item in bench.store.list() if item.digest in record.digests()))
    assert "mine@1 would be retired" in asked and f"`blut cache prune` would then free {freed}" in asked
    assert bench.registry.retirements("mine") == []
    done = blut_model("retire", "mine@1").stdout
    (retirement,) = bench.registry.retirements("mine")
    told_by, day = retirement.by, retirement.at[:10]
    assert done.startswith("mine@1 is retired by ") and f"`blut cache prune` now frees {freed}" in done
    with open_instance() as instance:
        report = collect(bench.store, reachable(instance, NEWEST), in_use_grace_s=0)
    assert record.digests() == {*report.removed} and size(report.bytes_freed) == freed
    assert blut_model("retire", "mine@1").stdout.strip().endswith(", as before")
    (_, row) = table("list")
    (model,) = json.loads(blut_model("list", "--json").stdout)
    assert (
        [cell.strip() for cell in row[1:3]] == ["2", "1"] == [str(model[n]) for n in ("versions", "retired")]
    )
    (_, bad, good) = table("show", "mine")
    assert [cell.strip() for cell in bad[2:4]] == ["-", f"by {told_by} on {day}"]
    assert [cell.strip() for cell in good[2:4]] == ["prod", "-"]
    assert f"by {told_by} on {day}" in blut_model("show", "mine@1").stdout
    assert json.loads(blut_model("show", "mine@1", "--json").stdout)["retired"]["by"]
    told = [(e["action"], e["what"]) for e in json.loads(blut_model("history", "mine", "--json").stdout)]
    assert told[-1] == ("retire", "version 1")
    refused = blut_model("promote", "mine@next", "--version", "1")
    assert refused.exit_code == 1 and "mine@1 was retired by" in refused.stderr


def test_a_version_can_be_retired_once_its_name_is_dropped(bench: Bench) -> None:
    bench.promote("prod", 2)
    refused = blut_model("retire", "mine@2")
    assert refused.exit_code == 1 and "`blut model drop mine@prod` takes the name away" in refused.stderr
    done = blut_model("drop", "mine@prod").stdout.strip()
    assert done == "mine@prod stands for nothing; it stood for version 2"
    assert "stands for nothing, as before" in blut_model("drop", "mine@prod").stdout
    unknown = blut_model("resolve", "mine@prod")
    assert (
        unknown.exit_code == 2 and "nothing is promoted to mine@prod; aliases of mine: none" in unknown.stderr
    )
    assert blut_model("retire", "mine@2").stdout.startswith("mine@2 is retired by ")
    told = json.loads(blut_model("history", "mine", "--json").stdout)
    assert (told[-2]["action"], told[-2]["what"], told[-2]["detail"]) == (
        *("drop", "prod -> nothing", "stood for version 2"),
    )


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["drop", "mine@beta"], "nothing is promoted to mine@beta; aliases of mine: none"),
        (["resolve", "mime@beta"], "nothing is promoted to mime@beta (did you mean 'mine'?)"),
        (["drop", "mine"], "'mine' is not name@alias"),
        (["show", "nope"], "no model is called 'nope'; there are: mine"),
        (["history", "nope"], "no model is called 'nope'; there are: mine"),
        (["resolve", "mine@9"], "mine has no version 9; versions of mine: 1, 2"),
        (["promote", "mine", "--version", "1"], "'mine' is not name@alias"),
        (["promote", "mine@3", "--version", "1"], "digits alone are a version"),
    ],
)
def test_an_unknown_or_malformed_name_is_a_usage_error(bench: Bench, args: list[str], reason: str) -> None:
    done = blut_model(*args)
    assert done.exit_code == 2 and reason in done.stderr and done.stdout == ""


def test_without_models_it_says_where_they_come_from(home: Path) -> None:
    assert "a recipe that ends in a judged model registers one" in blut_model("list").stdout
    assert json.loads(blut_model("list", "--json").stdout) == []


FLOORS = """\
schema: blut.llm_floors.v1
version: 1.0.0
max_kl: 0.1
min_top1: 0.8
max_perplexity_ratio: 1.25
max_loss_increase: 0.0
min_eval_rows: 20
"""


def test_floors_are_pinned_shown_kept_and_taken_away(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "floors.yaml"
    file.write_text(FLOORS)
    done = blut_model("govern", "mine@clinic", "--floors", str(file), "--why", "first release", "--by", "ada")
    assert done.stdout.startswith("mine@clinic is judged by 9 floors ("), done.output
    assert "as before" in blut_model("govern", "mine@clinic", "--floors", str(file)).stdout
    shown = blut_model("govern", "mine@clinic", "--show").stdout
    assert "pinned by ada on 20" in shown and "first release" in shown and "<= 0.1" in shown
    kept = next(line.removeprefix("file: ") for line in shown.splitlines() if line.startswith("file: "))
    with open_instance() as instance:
        collect(bench.store, reachable(instance, NEWEST), in_use_grace_s=0)
    assert Path(kept).read_text() == FLOORS
    refused = blut_model("promote", "mine@clinic", "--version", "2")
    assert refused.exit_code == 1 and "top1_agreement is not measured" in refused.stderr
    assert blut_model("govern", "mine@clinic", "--release").exit_code == 2
    assert (
        "no floors are pinned any more"
        in blut_model(*("govern", "mine@clinic", "--release", "--why", "closed")).stdout
    )
    assert "is not governed: no floors are pinned" in blut_model("govern", "mine@clinic", "--show").stdout
    events = json.loads(blut_model("history", "mine", "--json").stdout)
    told = [(e["action"], e["what"], e["by"], e["why"]) for e in events if e.get("alias") == "clinic"]
    assert told == [
        ("govern", "floors of clinic", "ada", "first release"),
        ("release", "floors of clinic", events[-1]["by"], "closed"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FLOORS.replace("min_top1: 0.8", "min_top1: 7"), "floors.yaml: min_top1"),
        ("version: 1", "says none of the schemas that are known: blut.floor_registry.v1"),
        (SHIPPED.read_text(), "its floors are for model 'lamquant-joint', not 'mine'"),
        (None, "No such file or directory: name a YAML file of floors"),
    ],
)
def test_a_file_that_is_no_floors_is_refused_and_nothing_is_pinned(
    bench: Bench, tmp_path: Path, text: str | None, reason: str
) -> None:
    file = tmp_path / "floors.yaml"
    if text:
        file.write_text(text)
    done = blut_model("govern", "mine@clinic", "--floors", str(file))
    assert done.exit_code == 2 and reason in done.stderr
    assert "clinic" not in bench.registry.governance("mine")
    assert blut_model("govern", "mine@clinic").exit_code == 2


def test_who_why_and_on_which_floors_is_asked_for_and_told(bench: Bench) -> None:
    done = blut_model("promote", "mine@prod", "--version", "2", "--by", "ada", "--why", "release 1")
    assert done.exit_code == 0, done.output
    (event,) = [
        e for e in json.loads(blut_model("history", "mine", "--json").stdout) if e["action"] == "promote"
    ]
    floors = bench.registry.governance("mine")["prod"].floors
    assert (event["by"], event["why"], event["author"], event["floors"]) == (
        "ada",
        "release 1",
        "Ada",
        floors,
    )
    assert f"floors {floors[:12]}" in event["detail"] and "it replaces nothing" in event["detail"]
    told = blut_model("show", "mine@prod").stdout
    assert "CHG-1 (a) by Ada: a retrain" in told and "every floor met" in told


def test_a_worse_one_needs_a_reason_and_the_tries_are_shown(bench: Bench) -> None:
    sealed = "5" * 64
    for n, kl in enumerate((0.01, 0.05), start=1):
        candidate = bench.put(f"candidate {kl}")
        place = bench.registry.try_number("mine", sealed=sealed, candidate=candidate)
        assert place == n
        bench.register(f"candidate {kl}", kl=kl, sealed=sealed, tries=place)
    assert blut_model("promote", "mine@prod", "--version", "3").exit_code == 0
    refused = blut_model("promote", "mine@prod", "--version", "4")
    assert refused.exit_code == 1 and "kl is 0.05, was 0.01: say why it may" in refused.stderr
    done = blut_model("promote", "mine@prod", "--version", "4", "--allow-worse", "it is half the size")
    assert "worse than what it replaces: kl is 0.05, was 0.01" in done.stdout
    assert "number 2 of 2 candidates judged on this sealed set" in blut_model("show", "mine@4").stdout
    last = json.loads(blut_model("history", "mine", "--json").stdout)[-1]
    assert "try 2 on sealed set 555555555555" in last["detail"]
    assert "allowed: it is half the size" in last["detail"]
