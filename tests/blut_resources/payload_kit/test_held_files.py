"""What a payload reads of a user's files is what was digested, whoever changes them meanwhile."""

import json
import os
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.files.digest import digest_bytes
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.payload_kit.held_files import HeldFiles

SWAPPED = "tests.payloads.swapped"


class Read(Artifact):
    """What a payload has read."""

    kind: ClassVar[str] = "test.read"
    found: str


@stage_asset(cookbook="test", group="corpus", payloads=[SWAPPED])
def read(stage: Stage) -> Steps[Read]:
    """Read the rows of $HELD, which somebody changes before the payload starts, or while it runs."""
    told = json.loads(os.environ["HELD"])
    root, evil = Path(told["root"]), Path(told["evil"])
    given = stage.open(stage.store.put_reference(root, [root / "rows"]))
    if told["how"] == "before":
        root.rename(root.with_name("aside"))
        evil.rename(root)
    try:
        facts = yield from stage.run(SWAPPED, config=told, inputs={"given": given})
    finally:
        if told["how"] == "before":
            root.rename(evil)
            root.with_name("aside").rename(root)
    return Read(**facts)


@pytest.fixture
def rows(tmp_path: Path, home: Path) -> Path:
    for name in ("good", "evil"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows").write_text(name)
    (tmp_path / "good" / "decoy").write_text("was not digested")
    return tmp_path / "good"


def run(rows: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> tuple[str, str]:
    """What was read and which files were there, or why nothing was stored."""
    told = {"root": str(rows), "evil": str(rows.with_name("evil")), "how": how}
    monkeypatch.setenv("HELD", json.dumps(told))
    resources = {"blut_handles": HANDLES}
    with open_instance() as instance:
        result = dg.materialize([read], resources=resources, instance=instance, raise_on_error=False)
        if result.success:
            made = result.output_for_node("test__read")
            return (store_of(instance).open(made.digest) / "rows").read_text(), made.found
        assert not [one for one in store_of(instance).list() if not one.external]
        data = result.failure_data_for_node("test__read")
        assert data and data.user_failure_data
        return data.user_failure_data.description or "", ""


def test_a_directory_swapped_while_the_payload_starts_is_refused_by_name(rows, monkeypatch):
    message, _ = run(rows, monkeypatch, "before")
    assert f"input given: {rows}/rows is not what was digested" in message


def test_a_directory_swapped_under_a_running_payload_is_not_seen_by_it(rows, monkeypatch):
    assert run(rows, monkeypatch, "swap") == ("good", "rows")


def test_a_file_that_is_written_to_while_it_is_read_is_refused_at_the_end(rows, monkeypatch):
    message, _ = run(rows, monkeypatch, "write")
    assert f"input given: {rows}/rows is not what was digested" in message


def test_a_file_that_was_only_touched_is_read(rows, monkeypatch):
    run(rows, monkeypatch, "read")
    os.utime(rows / "rows")
    assert run(rows, monkeypatch, "read") == ("good", "rows")


def test_where_no_links_can_be_made_files_are_read_by_their_path_and_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox forbids them; a change during the run is refused all the same."""

    def forbidden(*_: object) -> None:
        raise PermissionError("links")

    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a").write_text("a")
    monkeypatch.setattr(Path, "symlink_to", forbidden)
    held = HeldFiles(tmp_path / "place")
    told = {"is_file": False, "files": {"a": [1, digest_bytes(b"a"), None]}}
    assert held.hold("raw", raw, told) == raw
    held.refuse_changed()
    (raw / "a").write_text("b")
    with pytest.raises(SystemExit, match="changed or replaced during the run"):
        held.refuse_changed()
