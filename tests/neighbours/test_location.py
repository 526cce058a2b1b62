"""Under which code location the UI shows a run of a terminal."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from blut_resources.instance.location import NOW_S, declared_here, location_of

JOB = {"lamquant_joint_codec", "lamquant"}
OWN = "blut_assets.definitions"
MODULE = "python_module: {module_name: blut_assets.definitions, location_name: ml}"
SERVER = "grpc_server: {host: codec, port: 4000, location_name: ml}"
DG = '[tool.dg.project]\nroot_module = "mine"\n'
LOADS = "import blut_assets\ndefs = blut_assets.build_definitions(%s)\n"


@pytest.fixture
def instance(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance that nobody has served; the working directory is elsewhere."""
    work = tmp_path / "work" / "below"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    with dg.DagsterInstance.get() as instance:
        yield instance


def workspace(directory: Path, *entries: str) -> None:
    (directory / "workspace.yaml").write_text("load_from:\n" + "".join(f"  - {one}\n" for one in entries))


def ticked(
    instance: dg.DagsterInstance, location: str, sensor: str = "blut_reaper", ago: float = 1.0
) -> None:
    """What the daemon leaves of a tick."""
    code = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="m"), location)
    origin = RemoteRepositoryOrigin(code, "__repository__").get_instigator_origin(sensor)
    data = SensorInstigatorData(last_tick_timestamp=time.time() - ago)
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data)
    instance.add_instigator_state(state)


def test_what_nobody_has_named_is_called_as_dagster_calls_it(instance: dg.DagsterInstance) -> None:
    assert location_of(JOB, instance) == OWN


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (MODULE, "ml"),
        ("python_module: blut_assets.definitions", OWN),
        ("python_module: {module_name: blut_assets.definitions, attribute: defs}", f"{OWN}:defs"),
        ("python_package: blut_assets.definitions", OWN),
        ("python_file: code/defs.py", "defs.py"),
        ("python_file: {relative_path: code/defs.py, location_name: ml}", "ml"),
        ("python_module: {module_name: defs, working_directory: code, location_name: ml}", "ml"),
        ("python_module: {module_name: x.y, executable_path: /other/python, location_name: ml}", "ml"),
        (SERVER, "ml"),
        ("grpc_server: {host: codec, port: 4000}", "grpc:codec:4000"),
        ("grpc_server: {socket: /run/x}", "grpc:localhost:/run/x"),
    ],
)
def test_a_workspace_above_the_working_directory_names_it(
    instance: dg.DagsterInstance, entry: str, name: str
) -> None:
    above = Path.cwd().parent
    (above / "code").mkdir()
    (above / "code" / "defs.py").write_text(LOADS % "")
    workspace(above, entry)
    assert location_of(JOB, instance) == name


def test_a_workspace_beside_the_instance_names_it_for_cron(instance: dg.DagsterInstance, home: Path) -> None:
    workspace(home, MODULE)
    assert location_of(JOB, instance) == "ml"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (DG, "below"),
        (f'{DG}code_location_name = "ml"\n', "ml"),
        (f'{DG}code_location_target_module = "mine.other"\n', "below"),
        ('[tool.dagster]\nmodule_name = "mine"\n', "mine"),
        ('[tool.dagster]\nmodule_name = "mine"\ncode_location_name = "ml"\n', "ml"),
        ("[tool.dagster", OWN),
    ],
)
def test_the_settings_of_a_project_name_it(instance: dg.DagsterInstance, settings: str, name: str) -> None:
    defs = Path("src", "mine", "defs")
    defs.mkdir(parents=True)
    (defs.parent / "other.py").write_text(LOADS % "")
    (defs / "codec.yaml").write_text("type: blut_assets.components.RecipeRun\n")
    Path("pyproject.toml").write_text(settings)
    assert location_of(JOB, instance) == name


def test_of_several_locations_it_is_the_one_that_holds_the_job(instance: dg.DagsterInstance) -> None:
    for name, only in (("eeg", 'only=["lamquant"]'), ("text", "only=('llm_sft',)"), ("both", "only=names()")):
        Path(f"{name}.py").write_text(LOADS % only)
    Path("theirs.py").write_text("import dagster as dg\ndefs = dg.Definitions()\n")
    workspace(Path.cwd(), *(f"python_file: {name}.py" for name in ("theirs", "both", "text", "eeg")))
    assert location_of(JOB, instance) == "eeg.py"
    assert location_of({"llm_sft", "llm"}, instance) == "text.py"
    assert location_of({"another"}, instance) == "both.py"
    workspace(Path.cwd(), "python_file: theirs.py")
    assert location_of(JOB, instance) == OWN, "another project's workspace says nothing about it"


def test_what_is_served_now_is_believed_before_what_a_file_says(instance: dg.DagsterInstance) -> None:
    workspace(Path.cwd(), MODULE)
    ticked(instance, "old", ago=2 * NOW_S)
    assert location_of(JOB, instance) == "ml"
    ticked(instance, "other", "nightly")
    assert location_of(JOB, instance) == "ml", "a sensor of somebody else's"
    ticked(instance, "grpc:codec:4000")
    assert location_of(JOB, instance) == "grpc:codec:4000"
    ticked(instance, "ml")
    assert location_of(JOB, instance) == "ml", "both are: the one that is declared to hold it"
    Path("workspace.yaml").unlink()
    assert location_of(JOB, instance) in ("ml", "grpc:codec:4000")


def test_an_instance_remembers_what_it_served_last(instance: dg.DagsterInstance) -> None:
    ticked(instance, "before", ago=9 * NOW_S)
    ticked(instance, "last", "reaper", ago=8 * NOW_S)
    assert location_of(JOB, instance) == "last"
    workspace(Path.cwd(), "grpc_server: {host: theirs, port: 1}")
    assert location_of(JOB, instance) == "last", "whose code that is, nobody can tell"


def test_a_variable_says_it(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    ticked(instance, "served")
    monkeypatch.setenv("BLUT_LOCATION", "ml")
    assert location_of(JOB, instance) == "ml"


@pytest.mark.parametrize(
    "text", ["load_from: [", "[]", "load_from: 3", "load_from: [{python_file: }]", "\x00", ""]
)
def test_a_broken_workspace_stops_no_run(instance: dg.DagsterInstance, text: str) -> None:
    Path("workspace.yaml").write_text(text)
    assert location_of(JOB, instance) == OWN
    Path("workspace.yaml").unlink()
    Path("workspace.yaml").symlink_to("/dev/zero")
    assert location_of(JOB, instance) == OWN


def test_the_ui_serves_what_the_project_declares(instance: dg.DagsterInstance) -> None:
    """And not all of Blut under the name of the project, whose schedules were not there."""
    assert declared_here(instance) == ((), OWN, OWN)
    project = Path.cwd().parent
    (project / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "fields"\n')
    defs = project / "src" / "fields" / "defs"
    defs.mkdir(parents=True)
    (defs.parent / "definitions.py").write_text("import dagster as dg\n")
    assert declared_here(instance) == ((), OWN, OWN), "a project that loads nothing of Blut"
    (defs / "cookbooks.py").write_text(LOADS % 'only=["plants"]')
    assert declared_here(instance) == ((), "fields.definitions", project.name)
    workspace(project, SERVER, MODULE)
    assert declared_here(instance) == ([project / "workspace.yaml"], OWN, "ml")
