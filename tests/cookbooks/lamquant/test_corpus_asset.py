"""The asset of a corpus: what a grown one costs, and what the UI shows of it."""

from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.testing import blut_instance, materialize
from blut_resources.instance.instance import store_of
from cookbooks.lamquant.corpus import FINISHED, lma_corpus
from cookbooks.lamquant.pages.corpus import SHOWN, shown
from cookbooks.lamquant.sources import recordings
from tests.cookbooks.lamquant.test_edf_ingest import edf_signals, simple, wave, write_edf

__all__ = ["blut_instance"]


def made(instance: dg.DagsterInstance, root: Path) -> tuple[Path, dict[str, Any]]:
    """The corpus of a directory, and the metadata of its materialization."""
    config = {"lamquant__recordings": {"config": {"edf_root": str(root)}}}
    result = materialize([recordings, lma_corpus], instance, run_config={"ops": config})
    event = result.asset_materializations_for_node("lamquant__lma_corpus")[0]
    metadata = {name: value.value for name, value in event.metadata.items()}
    return store_of(instance).open(metadata["artifact"]["digest"]), metadata


def test_a_corpus_that_grew_by_a_file_shares_what_it_had_before(
    tmp_path: Path, blut_instance: dg.DagsterInstance
) -> None:
    for index in range(3):
        simple(tmp_path / f"in/p{index}/x.edf", seed=index)
    before, _ = made(blut_instance, tmp_path / "in")
    simple(tmp_path / "in/p9/x.edf", seed=9)
    after, metadata = made(blut_instance, tmp_path / "in")
    inodes = [{p.name: p.stat().st_ino for p in (one / "archives").iterdir()} for one in (before, after)]
    assert inodes[0].items() <= inodes[1].items() and sorted(inodes[1]) == [
        "p0__x.lma", "p1__x.lma", "p2__x.lma", "p9__x.lma"
    ]  # fmt: skip
    assert metadata["n_archives"] == 4
    assert list((store_of(blut_instance).root / "work" / FINISHED).iterdir()) == []


def test_the_page_says_what_was_refused_mended_taken_and_left_out(
    tmp_path: Path, blut_instance: dg.DagsterInstance
) -> None:
    signals = [*edf_signals(wave(2, 500)), *edf_signals(wave(1, 500), labels=["ECG"])]
    write_edf(tmp_path / "in/a/x.edf", signals)
    data = bytearray(write_edf(tmp_path / "in/b/x.edf", signals).read_bytes())
    data[236:244] = b"-1      "
    (tmp_path / "in/b/x.edf").write_bytes(data)
    (tmp_path / "in/c.edf").write_bytes(b"0       ")
    _, metadata = made(blut_instance, tmp_path / "in")

    def rows(name: str) -> list[dict[str, str]]:
        return [dict(record.data) for record in metadata[name].records]

    assert rows("channels") == [{"channel": f"EEG C{n}", "files": "2"} for n in range(2)]
    assert [(row["channel"], row["files"]) for row in rows("channels left out")] == [("ECG", "2")]
    assert [row["file"] for row in rows("refused")] == ["c.edf"]
    assert [(row["subject"], row["files"]) for row in rows("subjects")] == [("a", "1"), ("b", "1")]
    assert len(rows("repairs")) == 1 and rows("repairs")[0]["files"] == "1"


def test_the_page_of_a_large_corpus_is_bounded() -> None:
    entry = {"root": "", "segment": {"of": 1}, "repairs": [], "left_out": []}
    evidence = {"header": None, "directories": [], "file": ""}
    entries = [
        {**entry, "stem": f"r{n}", "recording": f"r{n}", "channels": [f"c{n}"]}
        | {"evidence": {**evidence, "file": f"p{n:05}"}}
        for n in range(10_000)
    ]
    refused = [{"file": f"{n}.edf", "field": "f", "problem": "p", "remedy": "r"} for n in range(10_000)]
    page = shown({"recordings": entries, "refused": refused})
    for name in ("refused", "channels", "subjects"):
        records = page[name].records
        assert len(records) == SHOWN + 1
        assert "and 9950 more, in corpus.json" in records[-1].data.values()
