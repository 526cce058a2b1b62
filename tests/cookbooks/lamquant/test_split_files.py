"""Who is who and who is where, stated in files: what is read, what is obeyed, what is refused and how."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import PromotionRefused
from cookbooks.lamquant.gate import checks
from cookbooks.lamquant.gate.split import parse_split
from cookbooks.lamquant.gate.split_page import split_page
from cookbooks.lamquant.promotion import refuse_names_alone
from cookbooks.lamquant.signal.duplicates import Duplicates
from cookbooks.lamquant.signal.findings import SharedContent
from cookbooks.lamquant.signal.placing import SplitError, SplitPolicy
from cookbooks.lamquant.signal.split import build_split, read_split
from cookbooks.lamquant.sources import requested
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.join import Contradiction
from cookbooks.lamquant.subjects.names import pseudonym
from cookbooks.lamquant.subjects.sides import ManifestInvalid
from cookbooks.lamquant.subjects.stated import SubjectsInvalid

FILES = ("p00/rec1.edf", "p00/rec2.edf", "p01/rec1.edf", "p02/rec1.edf", "p03/rec1.edf", "p04/rec1.edf")
SIDES = {"p00": "train", "p01": "train", "p02": "train", "p03": "val", "p04": "test"}


def corpus(*files: str, codes: Mapping[Any, str] | None = None) -> dict[str, Any]:
    entries = []
    for path in files:
        code = (codes or {}).get(path)
        evidence = evidence_of(PurePosixPath(path), pseudonym(code) if code else None)
        stem = path.removesuffix(".edf").replace("/", "__")
        entries.append({"stem": stem, "evidence": evidence, "channels": ["C3"], "subject": "old"})
    return {"recordings": entries}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(value: Any, name: str = "file.json") -> str:
        (tmp_path / name).write_text(value if isinstance(value, str) else json.dumps(value))
        return str(tmp_path / name)

    return write


def split_of(
    files: tuple[str, ...] = FILES,
    *,
    manifest: str = "",
    subjects: str = "",
    shared: tuple[tuple[str, str], ...] = (),
    codes: Mapping[Any, str] | None = None,
    **policy: Any,
) -> dict[str, Any]:
    found = [SharedContent("recording", pair, {"exact": True}) for pair in shared]
    asked = requested(manifest, subjects)
    whole = corpus(*files, codes=codes)
    return build_split(whole, Duplicates(tuple(found), (), {}), SplitPolicy(**policy), asked)


def homes(split: dict[str, Any]) -> dict[str, str]:
    return {stem.replace("__", "/"): home for stem, home in split["recordings"].items()}


# ---- the manifest


FORMS = {
    "sides of subjects": {"subjects": SIDES, "meta": {"seed": 1}},
    "lists of subjects": {"train": ["p00", "P01", "p02"], "validation": ["p03"], "test": ["p04"]},
    "lists below subjects": {"subjects": {"train": ["p00", "p01", "p02"], "val": ["p03"], "test": ["p04"]}},
    "lists of recordings": {
        "train": ["p00/rec1.edf", "p00__rec2", "p01/rec1", "p02/rec1.edf"],
        "val": ["p03/rec1.edf"],
        "test": ["p04/rec1.edf"],
    },
    "rows": [{"subject": name, "split": side} for name, side in SIDES.items()],
    "tsv of subjects": "subject\tsplit\n" + "".join(f"{name}\t{side}\n" for name, side in SIDES.items()),
    "csv of recordings": "\ufefffile,set\n"
    + "".join(f"{path},{SIDES[path[:3]].upper()}\n" for path in FILES),
    "semicolons": "participant_id;side\r\n" + "".join(f"{name};{side}\r\n" for name, side in SIDES.items()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_is_obeyed_in_every_form(form: str, written: Any) -> None:
    split = split_of(manifest=written(FORMS[form]))
    assert homes(split) == {path.removesuffix(".edf"): SIDES[path[:3]] for path in FILES}
    assert split["subjects"] == SIDES


def test_the_digest_of_a_manifest_is_of_what_it_says_and_stands_in_the_split(
    written: Any, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    one = written({"subjects": SIDES, "meta": "x"})
    other = written({"subjects": dict(reversed(SIDES.items()))}, "other/m.json")
    assert requested(one, "").to_json() == requested(other, "").to_json()
    split = split_of(manifest=one)
    assert split == split_of(manifest=other)
    assert split["meta"]["manifest"]["digest"] == requested(one, "").manifest_digest
    assert split["meta"]["manifest"]["subjects"] == SIDES
    assert str(tmp_path) not in json.dumps(split)
    judged = parse_split(json.dumps(split).encode())
    assert judged.files["manifest"]["digest"] == split["meta"]["manifest"]["digest"]


def but(**changes: str | None) -> dict[str, Any]:
    changed = {**SIDES, **changes}
    return {"subjects": {name: side for name, side in changed.items() if side is not None}}


@pytest.mark.parametrize(
    ("value", "policy", "told"),
    [
        (but(p05="test"), {}, "1 names are unknown: 'p05', which is not in the corpus: the nearest is p0"),
        (but(p02=None), {}, r"1 of 6 recordings have no side: p02__rec1.*unlisted: leave_out"),
        (but(p04="val"), {}, "no test side.*test_from: val.*test_subjects"),
        (but(p04="val", p03="test"), {"test_from": "val"}, "test_from: val beside a manifest that has"),
        (but(), {"named": {"test": ("p00",)}}, "test_subjects beside a manifest that has a test side"),
        (but(p03="train"), {}, r"nobody is in val \(subjects: 4 train, 0 val, 1 test\)"),
        (but(), {"test_fraction": 0.1}, "test_fraction beside manifest"),
        (but(), {"val_fraction": 0.1}, "val_fraction beside manifest"),
        (but(), {"named": {"train": ("p00",)}}, "train_subjects beside manifest"),
        (but(), {"named": {"val": ("p00",)}}, "val_subjects beside manifest"),
        (but(p04="holdout"), {}, "'p04' is on side 'holdout': there are train, val and test"),
        (but(p04=None) | {"recordings": {"p00/rec1.edf": "test"}}, {}, "'p00' is in train.*rec1.*in test"),
        ({"train": ["p00", "p01"], "test": ["p00"]}, {}, "'p00' is in train and in test"),
        ({"train": ["p00/rec1.edf"], "test": ["p00/rec2.edf"]}, {}, "of one patient: .*share 'p00' in"),
        ("name\tfold\np00\t1\n", {}, "its columns are 'name', 'fold'"),
        ("subject\tsplit\np00\n", {}, "row 2 has 1 cells, the header 2"),
        ("", {}, "is empty"),
        ({"subjects": {}}, {}, "puts nobody on a side"),
        ('{"subjects": {"p00": "train", "p00": "test"}}', {}, "p00"),
    ],
)  # fmt: skip
def test_a_manifest_that_leaves_something_open_is_refused(
    value: Any, policy: dict[str, Any], told: str, written: Any
) -> None:
    with pytest.raises((SplitError, ManifestInvalid), match=told):
        split_of(manifest=written(value), **policy)


def test_what_is_about_a_manifest_is_refused_without_one() -> None:
    for policy in ({"unlisted": "leave_out"}, {"test_from": "val"}):
        with pytest.raises(SplitError, match=f"{next(iter(policy))} is about a manifest"):
            split_of(**policy)  # pyright: ignore[reportArgumentType]


def test_recordings_that_a_manifest_does_not_list_are_left_out_where_that_is_said(written: Any) -> None:
    split = split_of(manifest=written(but(p02=None)), unlisted="leave_out")
    assert split["excluded"] == {"p02__rec1": "not in the manifest"}
    assert "p02__rec1" not in split["recordings"] and "p02" not in split["subjects"]


def test_all_of_val_is_sealed_and_validation_is_drawn_from_train_where_that_is_said(written: Any) -> None:
    files = tuple(f"p{n:02}/rec{k}.edf" for n in range(30) for k in (1, 2))
    sides = {f"p{n:02}": "val" if n < 4 else "train" for n in range(30)}
    split = split_of(files, manifest=written({"subjects": sides}), test_from="val", val_fraction=0.3)
    sealed = {name for name, home in split["subjects"].items() if home == "test"}
    assert sealed == {"p00", "p01", "p02", "p03"}
    chosen_by = [name for name, home in split["subjects"].items() if home == "val"]
    assert 3 <= len(chosen_by) <= 14
    for stem, home in split["recordings"].items():
        assert home == split["subjects"][stem[:3]]
    assert split["meta"]["manifest"]["test_from"] == "val"
    fewest = split_of(manifest=written(but(p04="val")), test_from="val", val_fraction=0.01)
    assert sorted(fewest["subjects"].values()) == ["test", "test", "train", "train", "val"]


def test_test_subjects_seal_some_of_a_manifest_without_a_test_side(written: Any) -> None:
    split = split_of(manifest=written(but(p04="val")), named={"test": ("P01",)})
    assert split["subjects"] == {**SIDES, "p04": "val", "p01": "test"}
    assert split["meta"]["manifest"]["test_subjects"] == ["P01"], "the verdict names it"


def test_one_patient_on_two_sides_is_refused_and_settled_by_stated_subjects(written: Any) -> None:
    files = ("chb01/chb01_01.edf", "chb21/chb21_01.edf", "chb02/chb02_01.edf", "chb03/chb03_01.edf")
    sides = {"chb01": "train", "chb21": "test", "chb02": "val", "chb03": "train"}
    manifest = written({"subjects": sides}, "sides.json")
    with pytest.raises(SplitError, match=r"case 21 is the girl of case 1.*physionet\.org.*subjects: FILE"):
        split_of(files, manifest=manifest)
    stated = written("recording\tsubject\nchb01\tone\nchb21\tother\n", "who.tsv")
    split = split_of(files, manifest=manifest, subjects=stated)
    assert homes(split)["chb01/chb01_01"] == "train" and homes(split)["chb21/chb21_01"] == "test"


# ---- the subjects


def test_a_file_says_that_two_directories_are_one_patient_and_one_directory_is_two(written: Any) -> None:
    who = written("file,subject\np00/,anna\np01/rec1.edf,Anna\np02/rec1,ben\np00/rec2.edf,ben\n", "who.csv")
    split = split_of(subjects=who)
    people = split["people"]
    assert people["p00__rec1"] == people["p01__rec1"] != people["p00__rec2"] == people["p02__rec1"]
    assert split["meta"]["subjects_file"]["names"] == 4
    assert set(split["meta"]["by_names_only"]) == {"p03", "p04"}
    for seed in range(10):
        placed = homes(split_of(subjects=who, seed=seed, val_fraction=0.3, test_fraction=0.3))
        assert placed["p00/rec1"] == placed["p01/rec1"] and placed["p00/rec2"] == placed["p02/rec1"]


def test_stated_people_who_share_samples_stay_on_one_side(written: Any) -> None:
    who = written({"p00": "anna", "p01": "ben"})
    for seed in range(10):
        placed = homes(split_of(subjects=who, shared=(("p00__rec1", "p01__rec1"),), seed=seed))
        assert placed["p00/rec1"] == placed["p01/rec1"]


def test_a_split_with_stated_subjects_is_believed_by_its_readers(written: Any, tmp_path: Path) -> None:
    codes = dict.fromkeys(FILES[:3], "MRN 1")
    who = written({"p00": "anna", "p01": "ben"})
    split = split_of(subjects=who, codes=codes, named={"train": ("anna",), "test": ("ben",)})
    (tmp_path / "split.json").write_text(json.dumps(split))
    whole = corpus(*FILES, codes=codes)
    assert read_split(tmp_path, whole) == split
    assert checks.disjoint_patients(whole, parse_split(json.dumps(split).encode())) == []
    del split["stated"]
    (tmp_path / "split.json").write_text(json.dumps(split))
    with pytest.raises(SplitError, match="one patient is in two splits"):
        read_split(tmp_path, whole)
    (problem,) = checks.disjoint_patients(whole, parse_split(json.dumps(split).encode()))
    assert "of one patient: 'p00' in the path" in problem and "patient code" in problem


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"p07": "anna"}, "'p07' is not in the corpus: the nearest is p0"),
        ({"p00/rec9.edf": "anna"}, "'p00/rec9.edf' is not in the corpus: the nearest is p00/rec"),
        ({"rec1": "anna"}, "'rec1' could be p00__rec1, p01__rec1"),
        ({"p00": "anna", "p00/": "ben"}, "is of 'anna' as 'p00' and of 'ben' as 'p00/'"),
        ({"p00": ""}, "'p00' has the subject ''"),
        ({"p00": 7}, "'p00' has the subject 7"),
        ("recording\tname\np00\tanna\n", "needs the columns 'recording'"),
        ("recording\tsubject\np00\tanna\np00\tben\n", "'p00' is of 'anna' and of 'ben'"),
        ({}, "names no recording"),
        ("[1]", "give an object"),
    ],
)
def test_a_file_of_subjects_that_is_unclear_is_refused(value: Any, told: str, written: Any) -> None:
    with pytest.raises(SubjectsInvalid, match=told):
        split_of(subjects=written(value, "who"))


def test_a_recording_between_two_stated_people_is_asked_for(written: Any) -> None:
    codes = dict.fromkeys(FILES[:4], "MRN 1")
    with pytest.raises(Contradiction, match=r"p02__rec1 shares the patient code.*state its subject as"):
        split_of(subjects=written({"p00": "anna", "p01": "ben"}), codes=codes)


def test_two_stated_people_joined_by_what_lies_between_them_are_asked_for(written: Any) -> None:
    codes = {"p00/rec2.edf": "MRN 1", "p01/rec1.edf": "MRN 1"}
    told = r"p00__rec1 and p01__rec1 are stated to be of different people, but.* and p00__rec2 share 'p00'"
    with pytest.raises(Contradiction, match=told):
        split_of(subjects=written({"p00/rec1.edf": "anna", "p01": "ben"}), codes=codes)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match=r"manifest: none.json: cannot be read \(No such file"):
        requested(str(tmp_path / "none.json"), "")
    with pytest.raises(SubjectsInvalid, match=r"subjects: none.tsv: cannot be read \(No such file"):
        requested("", str(tmp_path / "none.tsv"))


# ---- what is shown, and what rests on names alone


def test_the_page_lists_who_is_who_by_which_evidence_and_warns_of_names(tmp_path: Path, written: Any) -> None:
    split = split_of(subjects=written({"p00": "anna"}), codes={FILES[3]: "MRN 2"})
    (tmp_path / "split.json").write_text(json.dumps(split))
    page = split_page(tmp_path)
    rows = {row.data["subject"]: row.data for row in page["subjects"].records}
    assert rows["anna"]["files"] == 2 and "the stated subject 'anna'" in rows["anna"]["evidence"]
    assert "patient code" in rows["p02"]["evidence"] and rows["p03"]["evidence"].startswith("names only")
    assert all(row["side"] == split["subjects"][name] for name, row in rows.items())
    assert "3 of 5 subjects are known by names" in page["warnings"].value


def test_a_governed_alias_refuses_a_split_by_names_alone_unless_subjects_are_stated(
    tmp_path: Path, written: Any
) -> None:
    registry = ModelRegistry(tmp_path / "registry")

    def promoted(alias: str, split: dict[str, Any]) -> None:
        refuse_names_alone(registry, f"lamquant-joint@{alias}", json.dumps(split).encode())

    by_names = split_of()
    promoted("staging", by_names)
    with pytest.raises(PromotionRefused, match=r"5 of 5 patients .* names .*\(p00, p01.*state who is who"):
        promoted("prod", by_names)
    by_headers = split_of(codes={path: path[:3] for path in FILES})
    promoted("prod", by_headers)
    promoted("prod", split_of(subjects=written({f"p0{n}": f"s{n}" for n in range(5)})))
    del by_headers["meta"]["by_names_only"]
    with pytest.raises(PromotionRefused, match="does not say by which evidence"):
        promoted("prod", by_headers)
