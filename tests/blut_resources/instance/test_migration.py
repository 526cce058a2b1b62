"""A home of an older version names Dagster's own classes once something is made in it; the rest stays."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from blut_resources.instance.instance import open_instance
from blut_resources.instance.migration import BACKUP, migrated
from tests.neighbours.homes import OLD_LOGS as LOGS
from tests.neighbours.homes import OLD_STORAGE as STORAGE

REST = """\
# mine
run_retries: {enabled: true}   # as ever

telemetry: {enabled: false}
"""
HOME = Path("/home/of/mine")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (STORAGE + LOGS + REST, REST),
        (REST + STORAGE, REST),
        (f"# mine\n{STORAGE}\n# what follows\n{REST}", f"# mine\n\n# what follows\n{REST}"),
        (STORAGE.replace("{env: DAGSTER_HOME}", f"'{HOME}'") + REST, REST),
        (
            STORAGE.replace("{env: DAGSTER_HOME}", "/other") + REST,
            f"storage:\n  sqlite:\n    base_dir: /other\n{REST}",
        ),
        ("storage: {custom: {module: blut_resources.instance_storage, class: LockedSqliteStorage,"
         " config: {base_dir: {env: DAGSTER_HOME}}}}\n" + REST, REST),
    ],
)  # fmt: skip
def test_only_what_blut_wrote_changes(before: str, after: str) -> None:
    assert migrated(before, HOME) == after


@pytest.mark.parametrize(
    "text",
    [
        REST,
        STORAGE.replace("LockedSqliteStorage", "Other"),
        STORAGE.replace("config:", "more: 1\n    config:"),
        STORAGE + "  more: 1\n",
        "x: &x\n  module: blut_resources.compute_logs\ncompute_logs: *x\n",
        LOGS.replace("{env: DAGSTER_HOME}", "{env: ELSEWHERE}"),
        "storage: [\n  blut_resources.instance_storage\n",
        "",
    ],
)
def test_what_is_not_plain_stays(text: str) -> None:
    assert migrated(text, HOME) is None


def test_who_reads_changes_nothing_and_who_writes_says_so(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = home / "dagster.yaml"
    settings.write_text(STORAGE + LOGS + REST)
    with open_instance() as instance:
        run_id = instance.create_run_for_job(dg.GraphDefinition("one").to_job()).run_id
    settings.write_text(STORAGE + LOGS + REST)
    (home / BACKUP).unlink()
    capfd.readouterr()
    with open_instance(write=False) as instance:
        assert instance.has_run(run_id)
        assert instance.get_ref().storage_data.class_name == "DagsterSqliteStorage"
    assert settings.read_text() == STORAGE + LOGS + REST
    for told in (True, False):
        with open_instance() as instance:
            assert instance.has_run(run_id)
        assert ("names Dagster's own storage now" in capfd.readouterr().err) is told
    assert yaml.safe_load(settings.read_text()) == yaml.safe_load(REST)
    assert (home / BACKUP).read_text() == STORAGE + LOGS + REST


def test_a_file_that_cannot_be_written_is_used_as_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "dagster.yaml").write_text(STORAGE + REST)
    monkeypatch.setattr("blut_resources.instance.migration.write_atomic", _refuse)
    with open_instance() as instance:
        assert instance.get_runs() == []
    assert (home / "dagster.yaml").read_text() == STORAGE + REST


def _refuse(*_: object) -> None:
    raise PermissionError
