"""A recipe in the YAML of somebody's project: what it becomes, and what is said when it makes no sense."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.core.component_tree import ComponentTreeException

from blut_assets.building import assemble
from blut_assets.components import lookup
from blut_assets.discovery import Discovered
from blut_assets.recipes import ArgsError, Cookbook
from blut_assets.recipes.args import args_of
from blut_resources.instance.instance import open_instance
from blut_resources.runs.settings import fixed_args
from tests.blut_assets.recipes.toy import RECIPE, fixed_score

BOOK = Cookbook("fixed", [fixed_score], [RECIPE])
FOUND = Discovered([BOOK])
TYPE = "blut_assets.components.RecipeRun"
CONDITION = "{{ dg.AutomationCondition.any_job_root_assets_match(dg.AutomationCondition.on_cron('@daily')) }}"


class Project:
    """A project of Dagster's, as `create-dagster` makes it, but for the packages around."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.module = root, f"project_{root.name.replace('-', '_')}"
        monkeypatch.syspath_prepend(str(root / "src"))
        self.defs = root / "src" / self.module / "defs"
        self.defs.mkdir(parents=True)
        (self.defs / "__init__.py").touch()
        (self.defs.parent / "__init__.py").touch()
        table = f'directory_type = "project"\n[tool.dg.project]\nroot_module = "{self.module}"\n'
        (root / "pyproject.toml").write_text(f"[tool.dg]\n{table}")

    def write(self, *attributes: dict[str, Any], name: str = "nightly") -> None:
        (self.defs / name).mkdir(exist_ok=True)
        documents = [{"type": TYPE, "attributes": one} for one in attributes]
        (self.defs / name / "defs.yaml").write_text(yaml.safe_dump_all(documents))

    def load(self) -> dg.Definitions:
        own = dg.load_from_defs_folder(path_within_project=self.defs)
        return dg.Definitions.merge(own, assemble(FOUND, operations=False))

    def args(self, job: str = "nightly") -> dict[str, Any]:
        resolved = self.load().resolve_job_def(job)
        return fixed_args({}, resolved.run_tags) or {}

    def refusal(self) -> str:
        with pytest.raises(ComponentTreeException) as refused:
            self.load()
        assert isinstance(refused.value.__cause__, ArgsError), repr(refused.value.__cause__)
        return str(refused.value.__cause__)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(lookup, "installed", lambda: FOUND)
    return Project(tmp_path, monkeypatch)


def test_it_becomes_a_job_with_a_schedule_and_runs_without_config(project: Project, home: Path) -> None:
    project.write(
        {
            "recipe": "fixed_train",
            "args": {"lr": 0.5, "note": "2027"},
            "cron_schedule": "0 2 * * *",
            "execution_timezone": "Europe/Berlin",
            "default_status": "RUNNING",
            "tags": {"team": "eeg"},
            "owners": ["team:eeg"],
            "automation_condition": CONDITION,
        }
    )
    loaded = project.load()
    dg.Definitions.validate_loadable(loaded)
    schedule, job = loaded.resolve_schedule_def("nightly_schedule"), loaded.resolve_job_def("nightly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/Berlin")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert job.owners == ["team:eeg"] and job.automation_condition is not None
    assert job.executor_def.name == "in_process_or_multiprocess"
    with open_instance() as instance:
        run = instance.get_run_by_id(job.execute_in_process(run_config={}, instance=instance).run_id)
    assert run and run.tags["team"] == "eeg" and run.tags["blut/recipe"] == "fixed_train"
    known = args_of(run) or {}
    assert (known["lr"], known["note"]) == (0.5, "2027"), "a text in quotes stays one"


def test_two_runs_of_one_recipe_stand_in_one_file_or_in_two(project: Project) -> None:
    project.write(
        {"recipe": "fixed_train", "args": {"lr": 1}, "name": "one"},
        {"recipe": "fixed_train", "args": {"lr": 2}, "name": "two"},
    )
    project.write({"recipe": "fixed_train", "args": {"lr": 3}, "in_process": False}, name="three")
    assert [project.args(name)["lr"] for name in ("one", "two", "three")] == [1, 2, 3]
    three = project.load().resolve_job_def("three")
    assert three.executor_def.name != "in_process_or_multiprocess" and list(three.owners or ()) == [
        "team:fixed"
    ]


def test_args_are_taken_from_a_file_and_from_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_RATE", "0.25")
    project.write({"recipe": "fixed_train", "args": {"lr": "{{ env.MY_RATE }}", "words": "in/here.txt"}})
    assert project.args()["lr"] == 0.25
    assert project.args()["words"] == str(project.root / "in" / "here.txt"), "from the project on"
    (project.root / "args.yaml").write_text("lr: 0.75\nwords: here.txt\n")
    project.write({"recipe": "fixed_train", "args": "@args.yaml"})
    assert project.args()["lr"] == 0.75
    (project.root / "args.yaml").write_text("lr: 0.8\n")
    assert project.args()["lr"] == 0.8, "what is changed counts at the next load"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"recipe": "fixed_train"}, "nightly: fixed_train: required argument 'lr' is missing"),
        ({"recipe": "fixed_train", "args": {"lr": 1, "l": 2}}, "unknown argument 'l' = 2"),
        ({"recipe": "fixed_train", "args": {"lr": "many"}}, "argument 'lr' = 'many'"),
        ({"recipe": "fixed_train", "args": "@none.yaml"}, "args = '@none.yaml': [Errno 2]"),
        ({"recipe": "fixed_train", "args": "@list.yaml"}, "list.yaml holds no mapping, but list"),
        ({"recipe": "fixed_train", "args": "lr=1"}, "args = 'lr=1': give a mapping, or @FILE"),
        ({"recipe": "fixed_train", "args": None}, "required argument 'lr' is missing"),
        ({"recipe": "fixed_train", "args": {"lr": 1}, "name": "my-run"}, "a job has letters, digits and _"),
        (
            {"recipe": "fixed_train", "args": {"lr": 1}, "cron_schedule": "0 25 * * *"},
            "cron_schedule = '0 25 *",
        ),
        (
            {"recipe": "fixed_train", "args": {"lr": 1}, "execution_timezone": "Europe/Berlin"},
            "execution_timezone = 'Europe/Berlin': there is no schedule",
        ),
        ({"recipe": "fixed_trains"}, "no such recipe (did you mean 'fixed_train'?); there are: fixed_train"),
        ({"recipe": "fixed_train", "args": {"lr": 1}, "name": "fixed_train"}, "the recipe's own job"),
        ({"recipe": "fixed_train", "args": {"lr": 1, "note": "{{ env.A_TOKEN }}"}}, "value of $A_TOKEN"),
    ],
)
def test_what_makes_no_sense_is_said_in_our_words_with_the_file(
    project: Project, attributes: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "do-not-tell")
    (project.root / "list.yaml").write_text("- 1\n")
    project.write(attributes)
    said = project.refusal()
    assert words in said and f"src/{project.module}/defs/nightly/defs.yaml: " in said
    assert "do-not-tell" not in said


def test_a_cookbook_that_is_left_out_costs_its_own_jobs_only_but_where_it_is_validated(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Discovered([BOOK], {"plants": "ImportError: no rows"})
    monkeypatch.setattr(lookup, "installed", lambda: broken)
    project.write({"recipe": "plants_classifier"})
    project.write({"recipe": "fixed_train", "args": {"lr": 1}}, name="other")
    jobs = {job.name for job in project.load().jobs or []}
    assert "other" in jobs and "nightly" not in jobs
    assert "nightly/defs.yaml: recipe = 'plants_classifier': no such recipe" in caplog.text
    monkeypatch.setenv("DAGSTER_IS_DEFS_VALIDATION_CLI", "1")
    assert "the cookbook plants is left out: ImportError: no rows" in project.refusal()


def test_an_attribute_that_there_is_not_is_refused_before_anything_is_loaded(project: Project) -> None:
    project.write({"recipe": "fixed_train", "args": {"lr": 1}, "cron": "0 2 * * *"})
    with pytest.raises(ComponentTreeException) as refused:
        project.load()
    assert "cron" in str(refused.value.__cause__)
