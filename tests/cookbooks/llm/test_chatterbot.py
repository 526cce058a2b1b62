"""The sample dialogues: from the wheel, unchanged, with their notice, and examples that the reader takes."""

import json
import zipfile
from pathlib import Path

import pytest
import yaml

from blut_resources.payload_kit.cache import cache_root, ensure_package
from blut_resources.payload_kit.pinned import BuildError
from cookbooks.llm.data.formats import Normaliser
from cookbooks.llm.data.reading import Row, read_rows
from cookbooks.llm.samples.chatterbot import DIALOGUES, FOLDER, WHEEL


@pytest.mark.parametrize(
    ("name", "n_rows", "n_distinct"), [("chatterbot", 1234, 108), ("chatterbot-english", 1946, 819)]
)
def test_the_samples_are_the_wheels_dialogues(name: str, n_rows: int, n_distinct: int) -> None:
    sample = DIALOGUES[f"sample:{name}"]
    path = sample.ensure()
    rows = [item for item in read_rows(path) if isinstance(item, Row)]
    normaliser = Normaliser()
    said = [normaliser(row.value, "x:1")["messages"] for row in rows]
    assert len(said) == n_rows and len({json.dumps(one) for one in said}) == n_distinct
    assert "BSD" in (path.parent / "NOTICE.txt").read_text() and sample.built
    content = yaml.safe_load(zipfile.ZipFile(ensure_package(WHEEL)).read(f"{FOLDER}/tech_support.yml"))
    support = [row.value for row in rows if row.value["id"].startswith("tech_support-")]
    assert [[message["content"] for message in row["messages"]] for row in support] == content[
        "conversations"
    ]


def test_other_bytes_in_the_cache_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (cache_root() / "downloads").mkdir(parents=True)
    (cache_root() / "downloads" / WHEEL.file).write_bytes(b"something else")
    with pytest.raises(BuildError, match=rf"{WHEEL.file}: SHA-256 is .*; delete the file and run again"):
        DIALOGUES["sample:chatterbot"].ensure()
    assert not DIALOGUES["sample:chatterbot"].built
