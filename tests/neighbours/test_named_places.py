"""Variables that name a place, and places with names that mean something in a URL or a glob."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from blut_assets.cli.commands import policy
from blut_resources.containment.backends import cgroup2
from blut_resources.files.address import plain_path
from blut_resources.files.named import base_directory
from blut_resources.instance.home import find_home, store_root
from blut_resources.instance.instance import home_of, open_instance, store_of
from blut_resources.launchers.profiles import profiles_path
from blut_resources.leases.place import named_place
from cookbooks.llm.llama import own
from cookbooks.llm.llama.kit import kit_path
from sensors.alerts.settings import settings_path
from sensors.policy.file import policy_path
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.forked import RUN, server
from tests.scripted import RESOURCES, scripted

SAID = yaml.safe_load((REPOSITORY / "docs" / "reference" / "variables.yaml").read_text())
READ: dict[str, Callable[[], Path | None]] = {
    "DAGSTER_HOME": find_home,
    "BLUT_STORE": lambda: store_root(Path("/home")),
    "BLUT_LEASES": named_place,
    "BLUT_TRAIN_POLICY": policy_path,
    "BLUT_ALERTS": settings_path,
    "BLUT_LAUNCHERS": profiles_path,
    "BLUT_LLAMA_KIT": kit_path,
    "BLUT_LLAMACPP_DIR": own.named,
    "BLUT_CGROUP": lambda: cgroup2._base().path,  # pyright: ignore[reportPrivateUsage]
}
"""Who reads each of the variables."""
PLACE = re.compile("Directory|File ")
ODD = ["a%20b", "a?b", "a[b]", "a#b", "%2e%2e", "100%", "a*b", "a b", "a&b=c", "ü", "a\nb", "?mode=memory"]


def blut(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """What ``blut WORDS`` says in a directory."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "BLUT_STORE")
    }
    return server(*RUN).run([*BLUT[1:], *words], {**environment, "PYTHONPATH": str(REPOSITORY), **env}, cwd)


def test_each_variable_of_a_place_is_among_them() -> None:
    places = {name for group in SAID.values() for name, one in group.items() if PLACE.match(one["meaning"])}
    assert places == READ.keys() - {"DAGSTER_HOME"}


@pytest.mark.parametrize("variable", READ)
def test_a_tilde_is_the_home_directory_and_a_relative_path_is_refused(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "cgroup.subtree_control").touch()
    monkeypatch.setenv(variable, "~/x")
    assert READ[variable]() == tmp_path / "x"
    for wrong in ("x", "./x", "$HOME/x", "file:///x", "~nobody-of-this-name/x"):
        monkeypatch.setenv(variable, wrong)
        with pytest.raises(Exception, match=rf"^\${variable}={re.escape(wrong)}: .*; write an? absolute"):
            READ[variable]()


@pytest.mark.parametrize("variable", READ)
def test_a_name_that_no_record_could_have_in_it_is_refused(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/srv/b\udcffc")
    with pytest.raises(Exception, match=rf"^\${variable}=/srv/b\\xffc: the name is not UTF-8.*rename"):
        READ[variable]()


def test_an_unclear_home_or_store_is_refused_by_the_command_and_makes_nothing(tmp_path: Path) -> None:
    for env in ({"DAGSTER_HOME": "st"}, {"DAGSTER_HOME": str(tmp_path / "home"), "BLUT_STORE": "st"}):
        done = blut("cache", "show", cwd=tmp_path, **env)
        assert done.returncode == 2
        assert "=st: the path is relative" in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "st").exists()


def test_a_tilde_in_a_crontab_is_the_users_own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name, value in {"HOME": str(tmp_path), "DAGSTER_HOME": "~/blut", "BLUT_STORE": "~/store"}.items():
        monkeypatch.setenv(name, value)
    with open_instance() as instance:
        assert home_of(instance) == tmp_path / "blut" and store_of(instance).root == tmp_path / "store"
    assert list(Path().iterdir()) == []


def test_a_relative_base_directory_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in (("data", "d"), ("", "d"), ("~/data", "data"), ("~nobody-of-this-name/x", "d")):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        assert base_directory("XDG_DATA_HOME", "d") == tmp_path / expected


@pytest.mark.parametrize("name", ODD)
def test_a_home_and_a_store_may_be_called_anything(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And Dagster's own storage, as the processes of a deployment have it, finds the same runs."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(work / name))
    monkeypatch.setenv("BLUT_STORE", str(work / f"store {name}"))
    monkeypatch.setenv("SCRIPT", '{"epochs": 1}')
    with open_instance() as instance:
        made = dg.materialize([scripted], instance=instance, resources=RESOURCES)
        assert made.success
    monkeypatch.setenv("DAGSTER_HOME", str(work / name))
    with open_instance() as again, dg.DagsterInstance.from_ref(again.get_ref()) as stock:
        for one in (again, stock):
            assert [run.run_id for run in one.get_runs()] == [made.run_id]
            assert one.fetch_materializations(scripted.key, limit=9).records
        found = store_of(again).open(made.output_for_node("test__scripted").digest)
        assert found.is_relative_to(work / f"store {name}")
        stock.wipe()
        assert not again.get_runs()
        assert [*(work / name / "history" / "runs").glob("*.db")] == [
            work / name / "history" / "runs" / "index.db"
        ]
    assert find_home() == work / name
    assert {path.name for path in work.iterdir()} == {name, f"store {name}"}


def test_a_link_lasts_as_long_as_the_process_where_the_users_data_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/proc/no/such/place")
    odd = tmp_path / "a%20b"
    odd.mkdir()
    link = plain_path(odd)
    assert link.resolve() == odd and "%" not in str(link)
    assert plain_path(tmp_path) == tmp_path


def test_a_line_for_cron_holds_no_sign_that_ends_it(tmp_path: Path) -> None:
    odd = tmp_path / "a%20b"
    line = policy._cron_line(str(odd))  # pyright: ignore[reportPrivateUsage]
    assert "%" not in line.replace("\\%", "") and line.count("a\\%20b") == 2


def test_a_line_for_cron_names_the_places_that_the_shell_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or cron would train into another store, wait in another queue, and tell nobody."""
    places = {"BLUT_STORE": "/big disk/store", "BLUT_ALERTS": "/etc/alerts.toml", "BLUT_LEASES": "/run/q"}
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BLUT_COOKBOOKS", "")
    words = shlex.split(policy._cron_line(str(tmp_path)))  # pyright: ignore[reportPrivateUsage]
    assert {f"{name}={value}" for name, value in places.items()} < set(words)
    assert not any(word.startswith("BLUT_COOKBOOKS") for word in words)
