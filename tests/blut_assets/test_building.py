"""Blut's definitions in somebody else's project: chosen, merged, and with things of their own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

import blut_assets
from blut_assets.artifacts import Artifact
from blut_assets.building import assemble, build_definitions
from blut_assets.discovery import Discovered
from blut_assets.narrowing import UnknownName, chosen_of
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import Stage, stage_asset
from blut_assets.testing import blut_instance
from tests import scripted

__all__ = ["blut_instance"]

OURS = "lamquant_joint_codec"


@dg.asset
def theirs() -> None: ...


@dg.executor(name="theirs")
def their_executor(_):
    raise NotImplementedError


def test_it_is_merged_with_what_has_an_executor_loggers_and_resources_of_its_own() -> None:
    mine = dg.Definitions(
        [theirs],
        executor=their_executor,
        loggers={"console": dg.colored_console_logger},
        resources={"warehouse": dg.ResourceDefinition.hardcoded_resource(1)},
    )
    merged = dg.Definitions.merge(build_definitions(), mine)
    dg.Definitions.validate_loadable(merged)
    assert merged.executor is their_executor
    assert merged.resolve_job_def(OURS).executor_def.name == "in_process_or_multiprocess"


def test_two_that_blut_made_are_merged_where_one_brings_the_sensors() -> None:
    llm = build_definitions(only=["llm"], operations=False)
    assert not llm.sensors
    merged = dg.Definitions.merge(build_definitions(only=["lamquant"]), llm)
    dg.Definitions.validate_loadable(merged)
    assert {OURS, "finetune_from_dataset"} <= {job.name for job in merged.jobs or ()}


def test_sets_that_overlap_are_merged() -> None:
    recipe = build_definitions(only="lamquant_joint_codec", operations=False)
    dg.Definitions.validate_loadable(dg.Definitions.merge(build_definitions(only=["lamquant"]), recipe))


def test_an_executor_that_is_given_is_that_of_all_jobs_and_resources_are_added() -> None:
    given = build_definitions(executor=their_executor, resources={"warehouse": 1})
    assert given.resolve_job_def(OURS).executor_def.name == "theirs"
    assert given.resolve_implicit_global_asset_job_def().executor_def.name == "theirs"
    assert {"warehouse", "blut_handles"} <= (given.resources or {}).keys()


def test_one_recipe_alone_brings_its_assets_and_no_others() -> None:
    defs = build_definitions(only=["lamquant_data_prep"], operations=False)
    dg.Definitions.validate_loadable(defs)
    assert [job.name for job in defs.jobs or ()] == ["lamquant_data_prep"]
    keys = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert "lamquant/lma_corpus" in keys
    assert "lamquant/joint_checkpoint" not in keys and not any(key.startswith("llm") for key in keys)


@pytest.mark.parametrize(
    ("name", "words"), [("lamqant", "did you mean 'lamquant'"), ("joint_codec", "there are: lamquant, llm, ")]
)
def test_an_unknown_name_is_refused_with_those_that_there_are(name: str, words: str) -> None:
    with pytest.raises(UnknownName, match=words):
        build_definitions(only=[name])


def test_its_names_are_found_in_the_package_which_stays_cheap_to_import() -> None:
    assert blut_assets.build_definitions is build_definitions
    with pytest.raises(AttributeError, match="nonsense"):
        _ = blut_assets.nonsense
    quiet = "import sys, blut_assets; assert 'dagster' not in sys.modules and 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", quiet], check=True)


class Word(Artifact):
    """A text."""

    kind = "words.word"
    text: str


@stage_asset(cookbook="words", group="words")
def word(stage: Stage) -> Word:
    """A word."""
    (stage.out / "word").write_text("plum")
    return Word(text="plum")


@stage_asset(cookbook="shout", group="shout", ins={"said": "words/word"})
def loud(stage: Stage, said: Word) -> Word:
    """The word, loud."""
    (stage.out / "word").write_text((stage.open(said) / "word").read_text().upper())
    return Word(text=said.text.upper())


def _recipe(name: str, asset: dg.AssetsDefinition) -> Recipe:
    return Recipe(name, "test", "One.", RecipeArgs, [asset], Word, lambda args: {})


BOOKS = Discovered(
    [
        Cookbook("words", [word], [_recipe("say", word)]),
        Cookbook("shout", [loud], [_recipe("cry", loud)]),
    ]
)


def made(defs: dg.Definitions, instance: dg.DagsterInstance) -> Iterator[tuple[str, object]]:
    """Runs every asset; yields the name of each and whether it was reused."""
    job = defs.resolve_implicit_global_asset_job_def()
    keys = list(job.asset_layer.executable_asset_keys)
    result = job.execute_in_process(instance=instance, asset_selection=keys)
    for event in result.get_asset_materialization_events():
        assert event.asset_key
        yield event.asset_key.to_user_string(), event.materialization.metadata["reused"].value


def test_who_changes_the_definitions_gets_the_results_that_there_are(
    blut_instance: dg.DagsterInstance,
) -> None:
    """Attributes of the specs, resources bound to the assets, and a prefix before their keys."""
    defs = assemble(BOOKS, operations=False)
    assert dict(made(defs, blut_instance)) == {"words/word": False, "shout/loud": False}
    theirs = {
        "group_name": "theirs",
        "owners": ["team:x"],
        "code_version": "9",
        "metadata": {},
        "tags": {"a": "b"},
    }
    mapped = assemble(BOOKS, operations=False).map_asset_specs(
        func=lambda spec: spec.replace_attributes(**theirs)
    )
    assert mapped.resolve_assets_def(loud.key).get_asset_spec(loud.key).group_name == "theirs"
    bound = dg.Definitions(dg.with_resources([word, loud], {"blut_handles": blut_assets.HANDLES}))
    for changed in (mapped, bound):
        assert dict(made(changed, blut_instance)) == {"words/word": True, "shout/loud": True}
    prefixed = dg.load_assets_from_modules([sys.modules[__name__]], key_prefix="team")
    renamed = dg.Definitions(
        [one for one in prefixed if isinstance(one, dg.AssetsDefinition) and one.key.path[-1] != "theirs"],
        resources={"blut_handles": blut_assets.HANDLES},
    )
    assert dict(made(renamed, blut_instance)) == {"team/words/word": True, "team/shout/loud": True}


def test_an_asset_with_a_prefix_has_its_epochs_itself(
    blut_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPT", '{"epochs": 2}')
    prefixed = dg.load_assets_from_modules([scripted], key_prefix="team")
    result = dg.materialize(prefixed, instance=blut_instance, resources=scripted.RESOURCES)
    keys = [event.asset_key for event in result.get_asset_observation_events()]
    assert keys == [dg.AssetKey(["team", "test", "scripted"])] * 2


def test_a_cookbook_alone_takes_what_others_made_last(blut_instance: dg.DagsterInstance) -> None:
    list(made(assemble(BOOKS, operations=False), blut_instance))
    alone = assemble(chosen_of(BOOKS, ["cry"]), operations=False)
    assert [job.name for job in alone.jobs or ()] == ["cry"]
    result = alone.resolve_job_def("cry").execute_in_process(instance=blut_instance)
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [loud.key]


def test_a_cookbook_brings_jobs_and_schedules(blut_instance: dg.DagsterInstance) -> None:
    nightly = BOOKS.cookbooks[0].recipes[0].fixed("say_nightly", {})
    schedule = dg.ScheduleDefinition(job=nightly, cron_schedule="0 3 * * *")
    words = Cookbook("words", [word], BOOKS.cookbooks[0].recipes, jobs=[nightly], schedules=[schedule])
    defs = assemble(Discovered([words]))
    dg.Definitions.validate_loadable(defs)
    assert defs.resolve_schedule_def("say_nightly_schedule").job_name == "say_nightly"
    assert defs.resolve_job_def("say_nightly").execute_in_process(instance=blut_instance).success


def test_what_is_left_out_is_told_beside_what_is_asked_for() -> None:
    """A name that is not known may be of the cookbook that is left out, and takes nothing else along."""
    found = Discovered(BOOKS.cookbooks, {"broken": "RuntimeError: boom"})
    assert chosen_of(found, ["words"]).left_out == {}
    assert chosen_of(found, ["words", "broken"]).left_out == {"broken": "RuntimeError: boom"}
    partly = chosen_of(found, ["words", "whisper"])
    assert [book.name for book in partly.cookbooks] == ["words"] and "broken" in partly.left_out["whisper"]


def test_owners_of_a_cookbook_are_those_of_its_jobs_and_of_assets_that_name_none() -> None:
    @stage_asset(cookbook="owned", group="sources", source=True)
    def found(stage: Stage) -> Word: ...

    @stage_asset(cookbook="owned", group="sources", source=True, owners=["ada@words.example"])
    def hers(stage: Stage) -> Word: ...

    recipe = Recipe("owned_words", "test", "Find.", RecipeArgs, [found, hers], Word, lambda args: {})
    for said, owners in (((), ["team:owned"]), (["team:words"], ["team:words"])):
        book = Cookbook("owned", [found, hers], [recipe], owners=said)
        defs = assemble(Discovered([book]))
        assert defs.resolve_job_def("owned_words").owners == owners
        shown = {key.path[-1]: list(spec.owners) for key, spec in _specs(defs).items()}
        assert (shown["found"], shown["hers"]) == (owners, ["ada@words.example"])


def _specs(defs: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def test_a_project_that_dg_has_made_loads_it_among_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of its folder builds the definitions, another has an asset, a sensor and an executor."""
    package = tmp_path / "src" / "mine_project"
    (package / "defs").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.dg]\ndirectory_type = 'project'\n[tool.dg.project]\nroot_module = 'mine_project'\n"
    )
    for folder in (package, package / "defs"):
        (folder / "__init__.py").touch()
    (package / "defs" / "training.py").write_text(
        "import blut_assets\nblut = blut_assets.build_definitions(only=['lamquant'])\n"
    )
    (package / "defs" / "own.py").write_text(
        "import dagster as dg\n"
        "@dg.asset(ins={'checkpoint': dg.AssetIn(['lamquant', 'joint_checkpoint'])})\n"
        "def report(checkpoint) -> None: ...\n"
        "@dg.sensor(name='alerts')\n"
        "def alerts(): ...\n"
        "own = dg.Definitions([report], sensors=[alerts], executor=dg.in_process_executor)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    defs = dg.load_from_defs_folder(path_within_project=package)
    dg.Definitions.validate_loadable(defs)
    keys = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert {"report", "lamquant/joint_checkpoint"} <= keys
    assert {"alerts", "blut_alerts"} <= {sensor.name for sensor in defs.sensors or ()}
