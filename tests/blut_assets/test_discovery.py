"""A faulty cookbook costs itself and what depends on it; the others load, and validation says why."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import dagster as dg
import pytest

from blut_assets import building
from blut_assets.discovery import Discovered, discover
from blut_assets.history.planning import plan
from blut_assets.recipes import RecipeArgs
from blut_resources.instance.instance import open_instance
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.forked import RUN, server

SHIPPED = ("lamquant", "cookbooks.lamquant:cookbook")
HEAD = """
import dagster as dg
from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import stage_asset
class Pear(Artifact): kind = "fruit.pear"
class Plum(Artifact): kind = "fruit.plum"
@stage_asset(cookbook="fruit", group="a")
def pear(stage) -> Pear: return Pear()
def recipe(name="fruit_salad", assets=(pear,), output=Pear, **more):
    return Recipe(name, "test", "One.", RecipeArgs, list(assets), output, lambda args: {}, **more)
"""
GOOD = HEAD + "def cookbook(): return Cookbook('fruit', [pear], [recipe()])\n"

Load = Callable[..., Discovered]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Finds cookbooks in modules of this text, by name, as if their packages were installed."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(*shipped: tuple[str, str], **packs: str) -> Discovered:
        for name, text in packs.items():
            monkeypatch.delitem(sys.modules, f"{name}_pack", raising=False)
            (tmp_path / f"{name}_pack.py").write_text(text)
        points = [*shipped, *((name, f"{name}_pack:cookbook") for name in packs)]
        return discover(
            [EntryPoint(name, value, "blut.cookbooks") for name, value in points], building.validate
        )

    return write


def loads(found: Discovered) -> dg.Definitions:
    """The definitions of what was found, which Dagster takes."""
    defs = building.assemble(found)
    dg.Definitions.validate_loadable(defs)
    return defs


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("raise RuntimeError('boom')\n", "RuntimeError: boom", 1),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
        ("def cookbook()\n", "SyntaxError: expected ':'", 1),
        ("def cookbook():\n    import no_such_thing\n", "ModuleNotFoundError: No module named", 2),
        ("class Odd(Exception):\n    __str__ = None\nraise Odd\n", "Odd: its words cannot be had", 3),
        ("assert 1 == 2\n", "AssertionError: it says no more", 1),
    ],
)
def test_one_that_cannot_be_loaded_is_left_out_with_the_line_of_its_source(
    load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str, line: int
) -> None:
    found = load(SHIPPED, broken=text)
    assert [cookbook.name for cookbook in found.cookbooks] == ["lamquant"]
    assert found.left_out["broken"].startswith(reason)
    assert found.left_out["broken"].endswith(f"({tmp_path}/broken_pack.py:{line})")
    assert len(caplog.messages) == 1 and reason in caplog.text
    assert loads(found).resolve_job_def("lamquant_joint_codec")


@pytest.mark.parametrize("value", ["", "no function", "broken_pack", "broken_pack:"])
def test_an_entry_point_that_names_no_function_costs_its_cookbook_alone(load: Load, value: str) -> None:
    found = load(SHIPPED, ("broken", value))
    assert [cookbook.name for cookbook in found.cookbooks] == ["lamquant"]
    assert f"its entry point is {value!r}" in found.left_out["broken"]


def test_what_a_cookbook_prints_is_not_among_what_a_command_was_asked(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    load(fruit="print('hello')\n" + GOOD)
    assert capsys.readouterr() == ("", "hello\n")


FAULTY = {
    "two types": (
        "@stage_asset(cookbook='fruit', group='a')\n"
        "def jam(stage, pear: Plum) -> Plum: return Plum()\n"
        "def cookbook(): return Cookbook('fruit', [pear, jam], [])\n",
        r"^fruit/jam takes pear: Plum, but fruit/pear makes Pear \(.*fruit_pack.py:12\)$",
    ),
    "no such asset": (
        "@stage_asset(cookbook='fruit', group='a')\n"
        "def pie(stage, peer: Pear) -> Plum: return Plum()\n"
        "def cookbook(): return Cookbook('fruit', [pear, pie], [])\n",
        r"takes peer: Pear from fruit/peer, but no asset has that key \(did you mean 'fruit/pear'\?\)",
    ),
    "another output": (
        "def cookbook(): return Cookbook('fruit', [pear], [recipe(output=Plum)])\n",
        r"^recipe fruit_salad: output = Plum, but its assets make Pear \(.*fruit_pack.py:11\)$",
    ),
    "no output": (
        "def cookbook(): return Cookbook('fruit', [pear], [recipe(output=None)])\n",
        "output = None is no class of Artifact",
    ),
    "unknown kind": (
        "def cookbook(): return Cookbook('fruit', [pear], [recipe(input_kinds=['fruit.peer'])])\n",
        r"input_kinds has 'fruit.peer', a kind of no artifact or data \(did you mean 'fruit.pear'\?\)",
    ),
    "only plain assets": (
        "@dg.asset\ndef stone(): ...\n"
        "def cookbook(): return Cookbook('fruit', [stone], [recipe(assets=[stone])])\n",
        "output = Pear, but none of its assets is a stage_asset",
    ),
    "an external asset to run": (
        "def cookbook():\n"
        "    spec = dg.AssetSpec('tree')\n"
        "    return Cookbook('fruit', [pear, spec], [recipe(assets=[pear, spec])])\n",
        "assets has tree, which is made elsewhere",
    ),
    "an asset that nobody lists": (
        "def cookbook(): return Cookbook('fruit', [], [recipe()])\n",
        "recipe fruit_salad runs fruit/pear, which no cookbook lists among its assets",
    ),
    "a name for a job": (
        "def cookbook(): return Cookbook('fruit', [pear], [recipe('fruit-salad')])\n",
        "recipe fruit-salad: its name is to be of letters, digits and _",
    ),
    "one name twice": (
        "def cookbook(): return Cookbook('fruit', [pear], [recipe(), recipe()])\n",
        "2 of its recipes are called fruit_salad",
    ),
    "one key twice": (
        "def cookbook(): return Cookbook('fruit', [pear, pear], [])\n",
        "2 of its assets have the key fruit/pear",
    ),
    "a function as an asset": (
        "def cookbook(): return Cookbook('fruit', [recipe], [])\n",
        r"has <function recipe .*>, which is no AssetsDefinition or AssetSpec or SourceAsset \(.*:10\)",
    ),
    "no list": ("def cookbook(): return Cookbook('fruit', None, [])\n", "assets = None: a list is wanted"),
    "no cookbook": ("def cookbook(): return 3\n", "its entry point returned int, not a Cookbook"),
    "a plain asset above a stage": (
        "@dg.asset(key=['fruit', 'tree'])\ndef tree(): return 1\n"
        "@stage_asset(cookbook='fruit', group='a')\n"
        "def leaf(stage, tree: Pear) -> Plum: return Plum()\n"
        "def cookbook(): return Cookbook('fruit', [tree, leaf], [])\n",
        "fruit/leaf takes tree: Pear from fruit/tree, but that is a plain asset, which leaves no artifact",
    ),
    "an external asset of another kind": (
        "@stage_asset(cookbook='fruit', group='a')\n"
        "def leaf(stage, tree: Pear) -> Plum: return Plum()\n"
        "tree = dg.AssetSpec(['fruit', 'tree'], metadata={'artifact_kind': 'wood'})\n"
        "def cookbook(): return Cookbook('fruit', [tree, leaf], [])\n",
        "takes tree: Pear of the kind 'fruit.pear', but fruit/tree is declared to be of the kind 'wood'",
    ),
    "a check of nothing": (
        "@dg.asset_check(asset='stone')\ndef hard(): return dg.AssetCheckResult(passed=True)\n"
        "def cookbook(): return Cookbook('fruit', [pear], [], [hard])\n",
        "a check looks at stone, which no cookbook has",
    ),
    "no job": (
        "def cookbook(): return Cookbook('fruit', [pear], [], jobs=[7])\n",
        "jobs has 7, which is no job",
    ),
    "no schedule": (
        "def cookbook(): return Cookbook('fruit', [pear], [], schedules=['daily'])\n",
        "schedules has 'daily', which is no schedule",
    ),
    "no kind of data": (
        "def cookbook(): return Cookbook('fruit', [pear], [], data=['fruit'])\n",
        "data has 'fruit', which is no DataKind",
    ),
    "no resources by key": (
        "def cookbook(): return Cookbook('fruit', [pear], [], resources=['shelf'])\n",
        r"resources = \['shelf'\]: a mapping is wanted",
    ),
    "what only Dagster sees": (
        "def watch(context): ...\n"
        "sensors = [dg.SensorDefinition(name='one', evaluation_fn=watch) for _ in range(2)]\n"
        "def cookbook(): return Cookbook('fruit', [pear], [], sensors=sensors)\n",
        "DagsterInvalidDefinitionError: Duplicate definition found for one",
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_one_with_a_fault_is_left_out_with_a_sentence(load: Load, name: str) -> None:
    text, words = FAULTY[name]
    found = load(SHIPPED, fruit=HEAD + text)
    assert [cookbook.name for cookbook in found.cookbooks] == ["lamquant"]
    assert found.left_out.keys() == {"fruit"}
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found.left_out["fruit"])
    assert loads(found).resolve_job_def("lamquant_joint_codec")


BASKET = """
import dagster as dg
from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook
from blut_assets.stages import stage_asset
class Basket(Artifact): kind = "basket"
@stage_asset(cookbook="basket", group="a", ins={"fruit": "fruit/pear"})
def basket(stage, fruit: Artifact) -> Basket: return Basket()
@dg.asset(deps=[dg.AssetKey(["fruit", "pear"])], key=["basket", "label"])
def label(): ...
def cookbook(): return Cookbook("basket", [basket, label], [])
"""
CART = (
    BASKET.replace("fruit", "basket")
    .replace("basket/pear", "basket/basket")
    .replace('"basket", "l', '"c", "l')
)
CART = CART.replace('cookbook="basket"', 'cookbook="cart"').replace('Cookbook("basket"', 'Cookbook("cart"')


@pytest.mark.parametrize("fruit", ["raise RuntimeError('boom')\n", HEAD + FAULTY["unknown kind"][0]])
def test_who_needs_one_that_is_left_out_is_left_out_too_with_the_cause(load: Load, fruit: str) -> None:
    """Also around a corner; the cart takes what the basket makes."""
    found = load(SHIPPED, fruit=fruit, basket=BASKET, cart=CART)
    assert [cookbook.name for cookbook in found.cookbooks] == ["lamquant"]
    assert found.left_out.keys() == {"fruit", "basket", "cart"}
    assert [line.partition(" (")[0] for line in found.left_out["basket"].splitlines()] == [
        "basket/basket takes fruit: Artifact from fruit/pear of the cookbook fruit, which is left out",
        "basket/label takes fruit/pear of the cookbook fruit, which is left out",
    ]
    assert "of the cookbook basket, which is left out" in found.left_out["cart"]
    assert [book.name for book in load(fruit=GOOD, basket=BASKET).cookbooks] == ["basket", "fruit"]


@pytest.mark.parametrize(
    ("fruit", "words"),
    [
        ("raise RuntimeError('boom')\n", "RuntimeError: boom"),
        ("def cookbook()\n", "SyntaxError: expected ':'"),
    ],
)
def test_who_imports_one_that_is_broken_is_left_out_with_the_cause(
    load: Load, tmp_path: Path, fruit: str, words: str
) -> None:
    found = load(SHIPPED, fruit=fruit, basket="import dagster\nfrom fruit_pack import pear\n")
    assert [cookbook.name for cookbook in found.cookbooks] == ["lamquant"]
    why, place = found.left_out["basket"].rsplit(" (", 1)
    assert why.startswith(words)
    assert why.endswith(", raised by the cookbook fruit, which is left out and which it imports")
    assert place == f"{tmp_path}/basket_pack.py:2)"
    assert "raised by" not in found.left_out["fruit"]


def test_two_of_one_name_are_told_apart(load: Load) -> None:
    found = load(("fruit", "two_pack:cookbook"), fruit=GOOD, two="raise RuntimeError('boom')\n")
    assert [cookbook.name for cookbook in found.cookbooks] == ["fruit"]
    assert found.left_out.keys() == {"fruit (two_pack:cookbook)", "two"}


def test_who_needs_one_that_is_not_chosen_is_told_so(
    installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(GOOD)
    installed(BASKET, "basket")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("BLUT_COOKBOOKS", "basket")
    told = discover().left_out["basket"]
    assert "from fruit/pear of the cookbook fruit, which $BLUT_COOKBOOKS does not name" in told
    monkeypatch.setenv("BLUT_COOKBOOKS", "basket fruit")
    assert not discover().left_out


def test_one_that_takes_another_ones_names_is_left_out(load: Load) -> None:
    more = GOOD.replace("'fruit', [pear]", "'more', [pear]")
    found = load(SHIPPED, ("two", SHIPPED[1]), fruit=GOOD, more=more)
    assert [cookbook.name for cookbook in found.cookbooks] == ["fruit", "lamquant"]
    assert "already called 'lamquant'" in found.left_out["two"]
    clash, place = found.left_out["more"].split(" (")
    assert clash == "another cookbook already has fruit/pear, fruit_salad"
    assert place.endswith("more_pack.py:12)")
    found = load(fruit=GOOD, apples=GOOD.replace("'fruit', [pear]", "'apples', [pear]"))
    assert found.left_out.keys() == {"apples"}, "the one that the keys are named after stays"


PLAIN = (
    HEAD
    + """
@dg.asset(key=["fruit", "report"], deps=[pear], config_schema={"pages": int})
def report(context): context.log.info(f"{context.op_execution_context.op_config['pages']} pages")
@dg.multi_asset(specs=[dg.AssetSpec(["fruit", "left"], deps=[pear]), dg.AssetSpec(["fruit", "right"])])
def halves():
    yield dg.MaterializeResult(["fruit", "left"])
    yield dg.MaterializeResult(["fruit", "right"])
@dg.asset_check(asset=["fruit", "left"])
def whole(): return dg.AssetCheckResult(passed=True)
def salad(args): return {"fruit__report": {"pages": 3}}
def cookbook():
    assets = [pear, report, halves]
    made = Recipe("salad", "test", "All.", RecipeArgs, assets, Pear, salad)
    elsewhere = [dg.AssetSpec("orchard"), dg.SourceAsset("tree"), dg.AssetSpec(["lamquant", "lma_corpus"])]
    return Cookbook("fruit", (one for one in [*assets, *elsewhere]), [made], [whole])
"""
)


def test_plain_assets_and_what_is_made_elsewhere_are_taken_and_a_recipe_runs_them(
    load: Load, home: Path
) -> None:
    """A spec gives way to the cookbook that makes the asset."""
    found = load(SHIPPED, fruit=PLAIN)
    assert not found.left_out
    defs = loads(found)
    keys = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert {"orchard", "fruit/left", "fruit/report"} <= keys
    assert defs.resolve_assets_def(["lamquant", "lma_corpus"]).is_executable
    with open_instance() as instance:
        job = defs.resolve_job_def("salad")
        result = job.execute_in_process(run_config={"reuse": "never"}, instance=instance)
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert result.success and made == {"fruit/pear", "fruit/report", "fruit/left", "fruit/right"}
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
    recipe = found.cookbooks[0].recipes[0]
    with open_instance() as instance:
        planned = plan(instance, recipe.assets, recipe.configs(RecipeArgs()))
    states = {one.asset: one.state for one in planned}
    assert states == {"fruit/pear": "fresh", **dict.fromkeys(made - {"fruit/pear"}, "always")}


NEEDY = HEAD + (
    "@dg.asset(required_resource_keys={'warehouse'}, io_manager_key='shelf')\ndef stone(): ...\n"
    "def cookbook(): return Cookbook('fruit', [pear, stone], [recipe()])\n"
)


def test_a_resource_may_come_from_who_merges_or_from_the_cookbook_itself(load: Load) -> None:
    found = load(fruit=NEEDY)
    assert not found.left_out
    theirs = dg.Definitions(resources={"warehouse": 1, "shelf": dg.mem_io_manager})
    dg.Definitions.validate_loadable(dg.Definitions.merge(building.assemble(found), theirs))
    own = NEEDY.replace("[recipe()])", "[], resources={'warehouse': 1, 'shelf': dg.mem_io_manager})")
    assert not building.without_resources(load(fruit=own), ()).left_out


def test_where_nobody_else_gives_resources_the_one_that_lacks_some_is_left_out(load: Load) -> None:
    loaded = load(SHIPPED, fruit=NEEDY)
    found = building.without_resources(loaded, {"shelf"})
    assert [cookbook.name for cookbook in found.cookbooks] == ["lamquant"]
    assert "nothing gives it the resource 'warehouse'" in found.left_out["fruit"]
    assert len(building.without_resources(loaded, ()).left_out["fruit"].splitlines()) == 2


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a cookbook, ``fruit`` by name, for the programs that a test starts."""

    def install(text: str, name: str = "fruit") -> None:
        monkeypatch.delitem(sys.modules, f"{name}_pack", raising=False)
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[blut.cookbooks]\n{name} = {name}_pack:cookbook\n")
        (tmp_path / f"{name}_pack.py").write_text(text)

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return install


def program(*words: str) -> subprocess.CompletedProcess[str]:
    return server(*RUN).run(list(words), os.environ, REPOSITORY)


def test_validation_fails_and_names_each_fault_while_the_rest_is_loaded(
    installed: Callable[..., None], home: Path
) -> None:
    installed(HEAD + FAULTY["another output"][0])
    dagster = ("-m", "dagster")
    done = program(*dagster, "definitions", "validate", "-m", "blut_assets.definitions")
    assert done.returncode == 1
    sentence = "cookbook fruit is left out: recipe fruit_salad: output = Plum, but its assets make Pear"
    assert sentence in done.stdout + done.stderr
    listed = program(*dagster, "job", "list", "-m", "blut_assets.definitions")
    assert listed.returncode == 0 and "lamquant_joint_codec" in listed.stdout
    assert listed.stderr.count("is left out") == 1


def test_a_command_about_another_cookbook_says_it_in_one_line(
    installed: Callable[..., None], home: Path
) -> None:
    installed(HEAD + FAULTY["two types"][0])
    for command in (["recipe", "list"], ["plan", "lamquant_joint_codec", "--set", "edf_root=/x"], ["doctor"]):
        done = program(*BLUT[1:], *command)
        said = done.stdout + done.stderr
        assert said.count("but fruit/pear makes Pear") == 1 and "Traceback" not in said


def test_the_check_says_each_fault_with_its_place_and_which_cookbooks_are_sound(
    installed: Callable[..., None], home: Path, tmp_path: Path
) -> None:
    installed(HEAD + FAULTY["two types"][0])
    check = (*BLUT[1:], "cookbook", "check")
    every = program(*check)
    fault = f"fruit/jam takes pear: Plum, but fruit/pear makes Pear ({tmp_path}/fruit_pack.py:12)"
    assert every.returncode == 1 and not every.stderr
    assert every.stdout.splitlines()[0] == f"fruit: {fault}"
    assert every.stdout.splitlines()[1].startswith("lamquant: ok, ")
    unknown = program(*check, "friut")
    assert unknown.returncode == 2 and "did you mean 'fruit'?" in unknown.stderr
    one = program(*check, "lamquant", "--json")
    assert one.returncode == 0
    assert json.loads(one.stdout) == [{"cookbook": "lamquant", "loaded": True, "faults": []}]
