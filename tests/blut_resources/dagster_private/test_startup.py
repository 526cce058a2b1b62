"""What is put off at the start is there for whoever asks for it, and is what it would have been."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import Index

from blut_resources.dagster_private.startup import of_an_index

OPENED = """\
import sys
from blut_resources.instance.instance import open_instance
with open_instance() as instance:
    late = ("upath", "fsspec", "sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql")
    print(*(name for name in late if name in sys.modules))
    path = instance.defs_state_storage.base_path
    print(type(path).__name__, path)
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex
for table in SqlEventLogStorageMetadata.sorted_tables:
    for index in table.indexes:
        print(CreateIndex(index).compile(dialect=postgresql.dialect()))
"""


def test_what_an_index_has_in_a_dialect_is_what_the_dialect_says() -> None:
    known = {kind.name: dict(kind.construct_arguments or ())[Index] for kind in (MySQLDialect, PGDialect)}
    assert of_an_index() == known


def test_opening_a_home_loads_no_cloud_and_no_other_database(tmp_path: Path) -> None:
    env = {"DAGSTER_HOME": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OPENED], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, path, *indices = done.stdout.splitlines()
    assert loaded == ""
    assert path.endswith(str(tmp_path / "storage" / "defs_state")) or path.split()[1].startswith(
        str(tmp_path)
    )
    assert any("WHERE asset_key IS NOT NULL" in line for line in indices)
