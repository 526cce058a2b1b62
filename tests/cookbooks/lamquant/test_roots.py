"""Several directories make one corpus, and archives that were made elsewhere are used where they lie."""

import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from blut_assets.history.planning import observe
from blut_assets.recipes import ArgsError
from blut_assets.stages.spec import spec_of
from blut_assets.testing import blut_instance, materialize
from blut_resources.instance.instance import store_of
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, Recordings
from cookbooks.lamquant.configs.corpus import RecordingsConfig
from cookbooks.lamquant.corpus import corpus_inputs, lma_corpus
from cookbooks.lamquant.data_kinds import KINDS
from cookbooks.lamquant.encoding.archives import ArchiveJob, take_archive
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
from cookbooks.lamquant.formats.lml.container import encode_lml, signal_sha256
from cookbooks.lamquant.recipes.data_prep import DATA_PREP
from cookbooks.lamquant.samples.synthetic import write_synthetic
from cookbooks.lamquant.sources import recordings
from tests.cookbooks.lamquant.edf_writer import Edf, Sig, walk

__all__ = ["blut_instance"]
CHANNELS = ["Fp1", "Cz"]
RANGES = {
    "phys_min": [-3276.8, -1638.4],
    "phys_max": [3276.7, 1638.35],
    "dig_min": [-32768, -32768],
    "dig_max": [32767, 32767],
    "phys_dim": ["uV", "uV"],
}


def _samples(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, (2, 2500), dtype=np.int32)


def _lml(seed: int, *, noise_bits: int = 0, **changes: Any) -> bytes:
    metadata = {"channels": CHANNELS, **RANGES, **changes}
    metadata = {name: value for name, value in metadata.items() if value is not None}
    return encode_lml(_samples(seed), 250.0, bit_depth=16, metadata=metadata, noise_bits=noise_bits)


def _archive(path: Path, entries: dict[str, bytes], *others: LmaEntry) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [LmaEntry(name, data, "lml", "0" * 64, 1) for name, data in entries.items()]
    write_lma(path, [*made, *others])
    return path


def _made(instance: dg.DagsterInstance, **roots: Any) -> tuple[Recordings, LmaCorpus, dict[str, Any]]:
    ops = {
        "lamquant__recordings": {"config": roots},
        "lamquant__lma_corpus": {"config": {"workers": 1}},
    }
    done = materialize([recordings, lma_corpus], instance, run_config={"ops": ops})
    corpus = done.output_for_node("lamquant__lma_corpus")
    index = json.loads((store_of(instance).open(corpus.digest) / "corpus.json").read_text())
    return done.output_for_node("lamquant__recordings"), corpus, index


class _Stage:
    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._store = store_of(instance)

    def open(self, one: Any) -> Path:
        return self._store.open(one if isinstance(one, str) else one.digest)


def test_archives_are_used_where_they_lie(blut_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    tuh = tmp_path / "tuh"
    many = {f"sub-{n % 3:02}/ses-1/Aufnahme-ä{n}.lml": _lml(n) for n in range(12)}
    _archive(tuh / "deep" / "many.lma", many, LmaEntry("meta.json", b"{not json"))
    (tuh / "single.lml").write_bytes(_lml(100))
    for path in tuh.rglob("*.lm?"):
        path.chmod(0o444)
    found, corpus, index = _made(blut_instance, lma_roots=[str(tuh)])
    assert found.n_files == 2 and corpus.n_refused == 0 and len(index["recordings"]) == 13
    assert corpus.sources == {"tuh": found.digest}
    stored = sum(path.stat().st_size for path in store_of(blut_instance).open(corpus.digest).rglob("*"))
    assert stored == (store_of(blut_instance).open(corpus.digest) / "corpus.json").stat().st_size
    opened = open_corpus(corpus_inputs(_Stage(blut_instance), corpus))  # type: ignore[arg-type]
    by_entry = {entry["entry"]: stem for stem, entry in opened.entries.items()}
    one = opened.open(by_entry["sub-01/ses-1/Aufnahme-ä4.lml"])
    assert np.array_equal(one.digital, _samples(4)) and one.channels == CHANNELS
    assert one.scale.tolist() == pytest.approx([0.1, 0.05]) and one.offset.tolist() == pytest.approx([0, 0])
    assert np.array_equal(opened.open(by_entry[None]).digital, _samples(100))


def _named_otherwise(data: bytes) -> bytes:
    """A container whose metadata has the digest of other samples."""
    own = signal_sha256(_samples(1)).encode()
    assert own in data
    return data.replace(own, b"0" * 64)


BAD: list[tuple[str, bytes, str, str]] = [
    ("noisy", _lml(1, noise_bits=2), "noise_bits", "not lossless"),
    ("no-range", _lml(1, phys_min=None), "phys_min", "does not state it"),
    ("volts-of-what", _lml(1, phys_dim=["mmHg", "uV"]), "phys_dim", "no unit of voltage"),
    ("empty-range", _lml(1, dig_max=[-32768, 1]), "phys_min", "the range of channel 0 is empty"),
    ("no-names", _lml(1, channels=None), "channels", "does not name its 2 channels"),
    ("other-samples", _named_otherwise(_lml(1)), "signal_sha256", "not those that were encoded"),
    ("torn", _lml(1)[:-900], "samples", ""),
    ("flipped", bytes([*_lml(1)[:2000], _lml(1)[2000] ^ 255, *_lml(1)[2001:]]), "samples", ""),
]


@pytest.mark.parametrize(("name", "data", "field", "problem"), BAD, ids=[one[0] for one in BAD])
def test_one_bad_entry_is_named_and_costs_nothing_else(
    tmp_path: Path, name: str, data: bytes, field: str, problem: str
) -> None:
    path = _archive(tmp_path / "x.lma", {"good.lml": _lml(7), f"{name}.lml": data})
    found = _taken(path)
    assert [record["entry"] for record in found["records"]] == ["good.lml"]
    (bad,) = found["unusable"]
    assert bad["file"] == f"x.lma: {name}.lml" and bad["field"] == field and problem in bad["problem"]


def _taken(path: Path) -> dict[str, Any]:
    from pathlib import PurePosixPath

    job = ArchiveJob(path, "r", PurePosixPath(path.name), "", path.stem, "d", 1, path.parent)
    return take_archive(job, lambda _: None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b"LMA9" + data[4:],
        lambda _: b"",
    ],
)
def test_a_spoilt_archive_is_refused_and_the_others_count(
    blut_instance: dg.DagsterInstance, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    root = tmp_path / "lma"
    bad = _archive(root / "bad.lma", {"b.lml": _lml(2)})
    _archive(root / "good.lma", {"g.lml": _lml(3)})
    bad.write_bytes(spoil(bad.read_bytes()))
    (root / "gone.lma").symlink_to(root / "nowhere")
    found, corpus, index = _made(blut_instance, lma_roots={"tuh": str(root)})
    assert found.n_passed_over == 1
    assert {one["file"] for one in index["refused"]} == {"bad.lma", "gone.lma"} and corpus.n_refused == 2
    assert [entry["archive"] for entry in index["recordings"]] == ["good.lma"]


def test_nothing_of_a_patient_is_kept(tmp_path: Path) -> None:
    secret = {"patient_id": "4711 F 02-MAY-1951 Haseltine_Hanna", "recording_info": "Startdate X Dr.Who"}
    named = ["EEG Haseltine", "Cz"]
    data = _lml(1, **secret, channels=named, startdate="secret-start", technician="Somebody")
    path = _archive(tmp_path / "x.lma", {"Haseltine_Hanna.lml": data, "other.lml": _lml(2, **secret)})
    found = _taken(path)
    first, second = found["records"]
    kept = json.dumps(found).lower()
    for word in ("haseltine", "hanna", "4711", "1951", "who", "somebody", "secret"):
        assert word not in kept, word
    for key in ("header", "person"):
        assert first["evidence"][key] == second["evidence"][key] != None  # noqa: E711


def test_an_archive_of_a_recording_keeps_who_it_is_of_as_pseudonyms(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    for name, patient in (
        ("a", "4711 F 02-MAY-1951 Haseltine_Hanna"),
        ("b", "X F 02-MAY-1951 Haseltine_Hanna"),
    ):
        path = tmp_path / "edf" / f"{name}.edf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(Edf([Sig("EEG Fp1", walk(1))], patient=patient).bytes())
    _, corpus, index = _made(blut_instance, edf_roots={"r": str(tmp_path / "edf")})
    kept = [entry["evidence"] for entry in index["recordings"]]
    assert kept[0]["person"] == kept[1]["person"] and kept[0]["header"] and kept[1]["header"] is None
    archives = store_of(blut_instance).open(corpus.digest) / "archives"
    _, _, taken = _made(blut_instance, lma_roots={"r": str(archives)})
    for one, other in zip(kept, taken["recordings"], strict=True):
        assert (other["evidence"]["header"], other["evidence"]["person"]) == (one["header"], one["person"])


def test_an_archive_that_is_named_after_its_patient_is_read_and_not_named(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    data = _lml(1, patient_id="4711 F 02-MAY-1951 Haseltine_Hanna")
    _archive(tmp_path / "lma" / "Hanna Haseltine.lma", {"haseltine-1.lml": data, "b.lml": _lml(2)})
    _archive(tmp_path / "lma" / "torn-Haseltine.lma", {"haseltine-2.lml": data[:-900], "c.lml": _lml(3)})
    _, corpus, index = _made(blut_instance, lma_roots={"tuh": str(tmp_path / "lma")})
    named = next(e["stem"] for e in index["recordings"] if e["signal_sha256"] == signal_sha256(_samples(1)))
    opened = open_corpus(corpus_inputs(_Stage(blut_instance), corpus))  # type: ignore[arg-type]
    assert np.array_equal(opened.open(named).digital, _samples(1))
    kept = json.dumps([e for e in index["recordings"] if e["stem"] == named]) + json.dumps(index["refused"])
    assert "haseltine" not in kept.lower() and len(index["refused"]) == 1


def test_names_are_not_in_the_fingerprint_and_places_are_not_either(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "eeg", 2, 10, 7, channels=("Fp1",))
    _archive(tmp_path / "lma" / "a.lma", {"a.lml": _lml(1)})
    both = {"edf_roots": [str(tmp_path / "eeg")], "lma_roots": {"tuh": str(tmp_path / "lma")}}
    first, corpus, index = _made(blut_instance, **both)
    stems = sorted(entry["stem"] for entry in index["recordings"])
    assert stems[-1] == "tuh__a" and all(stem.startswith("eeg__") for stem in stems[:-1])
    assert {entry["root"] for entry in index["recordings"]} == {"eeg", "tuh"}
    (tmp_path / "lma").rename(tmp_path / "moved")
    moved = {"edf_root": str(tmp_path / "eeg"), "lma_roots": {"other": str(tmp_path / "moved")}}
    again, same, _ = _made(blut_instance, **moved)
    assert again.digest == first.digest and same.digest == corpus.digest
    assert open_corpus(corpus_inputs(_Stage(blut_instance), same)).open("tuh__a").n_samples == 2500  # type: ignore[arg-type]


def test_one_directory_has_the_digest_that_it_always_had(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "eeg", 1, 10, 7, channels=("Fp1",))
    digests = set()
    for roots in ({"edf_root": str(tmp_path / "eeg")}, {"edf_roots": {"x": str(tmp_path / "eeg")}}):
        found, _, index = _made(blut_instance, **roots)
        digests.add(found.digest)
        assert found.roots == [] and index["recordings"][0]["root"] == ""
    names = [str(path.relative_to(tmp_path / "eeg")) for path in (tmp_path / "eeg").rglob("*.edf")]
    assert digests == {store_of(blut_instance).put_reference(tmp_path / "eeg", names)}


def test_an_archive_that_grew_or_went_is_noticed_and_the_others_are_not_verified_again(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    root = tmp_path / "lma"
    for name in ("a", "b"):
        _archive(root / f"{name}.lma", {f"{name}.lml": _lml(ord(name))})
    first, _, _ = _made(blut_instance, lma_roots=[str(root)])
    _archive(root / "c.lma", {"c.lml": _lml(9)})
    second, grown, index = _made(blut_instance, lma_roots=[str(root)])
    assert first.digest != second.digest and len(index["recordings"]) == 3
    shutil.move(root / "b.lma", tmp_path / "b.lma")
    with pytest.raises(Exception, match=r"b\.lma"):
        corpus_inputs(_Stage(blut_instance), grown)  # type: ignore[arg-type]
    _, _, index = _made(blut_instance, lma_roots=[str(root)])
    assert sorted(entry["archive"] for entry in index["recordings"]) == ["a.lma", "c.lma"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "required argument 'edf_root' is missing"),
        ({"edf_roots": ["/a/x", "/b/x"]}, "are both called 'x'"),
        ({"edf_roots": ["/a/x"], "lma_roots": ["/b/x"]}, '{"x-1": "/a/x", "x-2": "/b/x"}'),
        ({"edf_root": "/a/x", "lma_roots": ["/a/x/"]}, "both name /a/x: give it once"),
        ({"edf_roots": "/a/x"}, "give a list of directories"),
        ({"lma_roots": [3]}, "give each directory as text"),
        ({"lma_roots": {"a/b": "/x"}}, "'a/b' names no root"),
        ({"edf_roots": ["/a/x", "/a/x/y"]}, "/a/x/y lies in /a/x, which is given too"),
        ({"edf_roots": {"x": "/a", "x__b": "/b"}}, "'x__b' names no root"),
        ({"edf_roots": {"x_": "/a", "x": "/b"}}, "'x_' names no root"),
    ],
)
def test_senseless_roots_are_refused_with_the_remedy(args: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgsError) as refused:
        DATA_PREP.parse(args)
    assert words in str(refused.value)


@pytest.mark.parametrize("field", ["edf_root", "lma_roots"])
def test_the_other_kind_of_files_is_named(
    blut_instance: dg.DagsterInstance, tmp_path: Path, field: str
) -> None:
    write_synthetic(tmp_path / "edf_root", 1, 10, 7, channels=("Fp1",))
    _archive(tmp_path / "lma_roots" / "a.lma", {"a.lml": _lml(1)})
    wrong = tmp_path / ("lma_roots" if field == "edf_root" else "edf_root")
    value: Any = str(wrong) if field == "edf_root" else [str(wrong)]
    with pytest.raises(Exception, match=r"give it as (lma|edf)_roots"):
        _made(blut_instance, **{field: value})


def test_archives_are_verified_before_they_get_a_name(tmp_path: Path) -> None:
    _archive(tmp_path / "a.lma", {"good.lml": _lml(1), "noisy.lml": _lml(2, noise_bits=3)})
    (kind,) = [one for one in KINDS if one.name == "archives"]
    found = kind.inspect(tmp_path)
    assert found.counts == {"archives": 1, "recordings": 1, "seconds": 10} and found.n_problems == 1
    assert "a.lma: noisy.lml: noise_bits" in found.problems[0]
    with pytest.raises(ValueError, match=r"no \.lma or \.lml file"):
        (tmp_path / "none").mkdir()
        kind.inspect(tmp_path / "none")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_file_that_this_user_may_not_read_costs_only_itself() -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_synthetic(root / "edf", 3, 2, 1, channels=("Fp1",))
        for path in [root, *root.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o644)
        denied = next((root / "edf").rglob("*s002*.edf"))
        denied.chmod(0o600)

        def look() -> None:
            os.setuid(65534)
            spec = spec_of(recordings)
            assert spec
            seen = observe(ArtifactStore(root / "store"), spec, RecordingsConfig(edf_root=str(root / "edf")))
            assert isinstance(seen, Recordings) and (seen.n_files, seen.n_passed_over) == (2, 1)

        process = multiprocessing.get_context("fork").Process(target=look)
        process.start()
        process.join()
        assert process.exitcode == 0


def test_every_recording_has_a_name_of_its_own(blut_instance: dg.DagsterInstance, tmp_path: Path) -> None:
    gap = [_tal(0), _tal(1), _tal(50), _tal(51), _tal(52), _tal(53)]
    files = {"a.edf": gap, "a/segment-1.edf": None, "a__segment-2.edf": None, "a/b.edf": None}
    for seed, (name, times) in enumerate(files.items()):
        signals = [Sig("EEG Fp1", walk(seed))]
        if times:
            signals.append(Sig("EDF Annotations", content=times.__getitem__, ns="16"))
        path = tmp_path / "edf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Edf(signals, reserved="EDF+D" if times else "").bytes())
    _archive(tmp_path / "lma" / "a.lma", {"b.lml": _lml(1), "c.lml": _lml(2)})
    _archive(tmp_path / "lma" / "a__b.lma", {"d.lml": _lml(3)})
    roots = {"edf": str(tmp_path / "edf")}, {"lma": str(tmp_path / "lma")}
    _, made, index = _made(blut_instance, edf_roots=roots[0], lma_roots=roots[1])
    stems = [entry["stem"] for entry in index["recordings"]]
    assert len(stems) == len({stem.casefold() for stem in stems}) == 8 and not index["refused"]
    digests = {entry["signal_sha256"] for entry in index["recordings"]}
    assert len(digests) == 8 and made.n_archives == 6, "nobody's samples stand under another's name"


def _tal(onset: int) -> bytes:
    return f"+{onset}\x14\x14\0".encode().ljust(32, b"\0")
