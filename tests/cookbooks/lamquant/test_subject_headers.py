"""What headers say of who is who: placeholders of an export, codes beside names, names of several parts."""

from itertools import product
from pathlib import PurePosixPath

import pytest

from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.join import People, joined
from cookbooks.lamquant.subjects.names import pseudonym

Header = tuple[str | None, str | None]
NAMES = ("JD", "MK", "AB", "XY", "QW", "ER")


def people(files: dict[str, Header]) -> People:
    """The people of files, each with the code and the name that its header has."""
    keys = {path: [one and pseudonym(one) for one in header] for path, header in files.items()}
    return joined(
        [{"stem": path, "evidence": evidence_of(PurePosixPath(path), *told)} for path, told in keys.items()]
    )


def parted(files: dict[str, Header]) -> set[frozenset[str]]:
    return {frozenset(unit.stems) for unit in people(files).all()}


@pytest.mark.parametrize(
    "tree", ["{who}/{year}.edf", "{year}/{who}.edf", "{who}_{year}.edf", "{who}/visit{year}/eeg.edf"]
)
@pytest.mark.parametrize("field", [0, 1])
def test_what_every_export_wrote_for_a_patient_is_no_evidence_and_that_is_told(tree: str, field: int) -> None:
    batches = {2019: "Batch A", 2020: "Batch B", 2021: "Batch C"}
    files: dict[str, Header] = {}
    for who, (year, batch) in product(NAMES, batches.items()):
        files[tree.format(who=who, year=year)] = (batch, None) if field == 0 else (None, batch)
    found = people(files)
    assert [len(unit.stems) for unit in found.all()] == [3] * 6
    assert all(
        sum(who in stem for stem in unit.stems) == 3
        for who, unit in zip(sorted(NAMES), found.all(), strict=True)
    )
    assert any(pseudonym("Batch A") in one and "6 names" in one for one in found.ignored)


@pytest.mark.parametrize("count", [2, 6])
def test_codes_under_names_of_tasks_stay_evidence(count: int) -> None:
    tasks = ("nback", "flanker", "stroop", "gonogo")
    files: dict[str, Header] = {f"{t}/S{n:03}.edf": (f"MRN{n}", None) for t in tasks for n in range(count)}
    found = people(files)
    assert [len(unit.stems) for unit in found.all()] == [4] * count
    assert {"'nback'", "'stroop'"} <= {one.partition(",")[0] for one in found.ignored}


def test_a_directory_of_two_codes_is_told_also_where_its_name_is_a_word() -> None:
    files: dict[str, Header] = {
        "anna/a.edf": ("M1", None),
        "anna/b.edf": ("M2", None),
        "ben/a.edf": (None, None),
    }
    (told,) = people(files).ignored
    assert told == "'anna', under which 2 different patient codes stand"


@pytest.mark.parametrize("tree", ["JD/visit{}.edf", "export/{}.edf", "visit{}/a{}x.edf"])
@pytest.mark.parametrize(
    "headers",
    [
        (("M1", "ana 1950"), (None, "ana 1950")),
        (("M1", "ana 1950"), ("M1", "anna 1950")),
        (("M1", None), ("M2", "ana 1950"), ("M1", "ana 1950")),
    ],
)
def test_a_code_and_a_name_with_birth_date_each_join(tree: str, headers: tuple[Header, ...]) -> None:
    files = {tree.replace("{}", str(n)): header for n, header in enumerate(headers, 1)}
    others: dict[str, Header] = {f"KL/x{n}.edf": ("M9", "eva 1960") for n in (7, 8)}
    assert parted(files | others) == {frozenset(files), frozenset(others)}


def test_a_recording_without_a_code_is_nobody_else_than_one_with_a_code() -> None:
    one: dict[str, Header] = {"JD/a.edf": ("M1", None), "JD/b.edf": (None, "ana 1950")}
    two: dict[str, Header] = {"MK/a.edf": (None, "eva 1960"), "MK/b.edf": (None, "ida 1970")}
    assert parted(one | two) == {frozenset(one), *(frozenset({path}) for path in two)}


SITES = ("A-001", "A-002", "B-001", "B-002", "C-001", "C-002")
COMPOSED = {
    "site and number": SITES,
    "site and number, nested": tuple(name.replace("-", "/") for name in SITES),
    "two names": ("Smith_John", "Smith_Mary", "Jones_John", "Jones_Mary", "Brown_Peter", "Brown_Mary"),
    "names with commas": (
        "Müller, Anna",
        "Schulz, Ben",
        "Müller, Carl",
        "Wolf, Anna",
        "Kim, Eva",
        "Kim, Fred",
    ),
    "an initial": ("Müller, A", "Müller, B", "Kim, A", "Kim, B"),
    "two numbers": ("01_05", "01_06", "02_05", "02_06", "03_05", "03_06"),
    "initials and a year": ("JD_1980", "JD_1975", "MK_1980", "MK_1975", "AB_1980", "AB_1975"),
}


@pytest.mark.parametrize("tree", ["{who}/visit{v}.edf", "{who}_visit{v}.edf", "{who}_{v}.edf"])
@pytest.mark.parametrize("names", COMPOSED)
def test_a_whole_name_of_one_code_joins_where_its_parts_have_several(names: str, tree: str) -> None:
    files: dict[str, Header] = {}
    whose = []
    for who in COMPOSED[names]:
        own = [tree.format(who=who, v=visit) for visit in (1, 2, 3)]
        files |= {path: (f"MRN {who}" if path == own[0] else None, None) for path in own}
        whose.append(frozenset(own))
    assert parted(files) == set(whose)
    assert any("the whole name decides, such as" in one for one in people(files).ignored)


def test_a_whole_name_without_any_code_joins_too() -> None:
    files: dict[str, Header] = {
        f"{site}-00{n}/visit{visit}.edf": (f"MRN {site}{n}" if (site, n) != ("A", 3) else None, None)
        for site, n, visit in product("ABC", (1, 2, 3), (1, 2))
    }
    assert frozenset({"A-003/visit1.edf", "A-003/visit2.edf"}) in parted(files)


def test_a_whole_name_above_several_people_joins_nobody() -> None:
    files: dict[str, Header] = {}
    for ward, bed, person in product("AB", (1, 2), (1, 2)):
        who = f"p{ord(ward) * 100 + bed * 10 + person}"
        files |= {f"{ward}-00{bed}/{who}_visit{visit}.edf": (None, None) for visit in (1, 2)}
        files[f"{ward}-00{bed}/{who}_visit1.edf"] = (f"MRN {who}" if person == 1 else None, None)
    assert sorted(len(unit) for unit in parted(files)) == [2] * 8


def test_two_spellings_of_a_name_with_one_code_are_one_person_whose_directory_joins() -> None:
    one: dict[str, Header] = {
        "JD/a.edf": ("M1", "ana 1950"),
        "JD/b.edf": ("M1", "anna 1950"),
        "JD/c.edf": (None, None),
    }
    other: dict[str, Header] = {"MK/d.edf": ("M2", None)}
    assert parted(one | other) == {frozenset(one), frozenset(other)}


def test_more_codes_than_names_are_people() -> None:
    tasks = ("nback", "flanker", "stroop", "gonogo")
    files: dict[str, Header] = {
        f"{task}/{'abcdefg'[n]}.edf": (f"MRN{n}", None) for task in tasks for n in range(6)
    }
    assert sorted(len(unit) for unit in parted(files)) == [4] * 6


def test_codes_that_recur_under_a_few_of_many_names_are_people() -> None:
    own: dict[str, Header] = {f"{who}/a.edf": (f"MRN {who}", None) for who in NAMES}
    shared: dict[str, Header] = {
        f"{study}/visit{k}.edf": (code, None)
        for study, (k, code) in product(("alpha", "beta", "gamma"), enumerate(("M1", "M2")))
    }
    assert sorted(len(unit) for unit in parted(own | shared)) == [1] * 6 + [3, 3]


def test_what_would_join_nobody_anyway_is_not_told() -> None:
    files: dict[str, Header] = {
        f"study/{who}/{n}.edf": (f"MRN {who}", None)
        for who in ("anna", "ben", "carl", "dora")
        for n in (1, 2)
    }
    assert people(files).ignored == ()


@pytest.mark.parametrize("names", ["two names", "an initial"])
def test_a_whole_name_behind_a_number_joins(names: str) -> None:
    files: dict[str, Header] = {
        f"{visit}_{who}.edf": (f"MRN {who}" if visit == 1 else None, None)
        for who in COMPOSED[names]
        for visit in (1, 2, 3)
    }
    whose = {frozenset(f"{visit}_{who}.edf" for visit in (1, 2, 3)) for who in COMPOSED[names]}
    assert parted(files) == whose
