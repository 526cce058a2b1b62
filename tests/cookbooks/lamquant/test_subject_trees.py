"""Whatever tree somebody builds of the same recordings, one patient is one unit of splitting."""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.join import People, joined
from cookbooks.lamquant.subjects.names import pseudonym

PEOPLE: dict[str, Callable[[int], str]] = {
    "p00": lambda n: f"p{n:02}",
    "S001": lambda n: f"S{n + 1:03}",
    "numbers": lambda n: str(10_023_456 + 7919 * n),
    "five digits": lambda n: str(20_001 + n),
    "subject-1": lambda n: f"subject-{n + 1}",
    "Patient 1": lambda n: f"Patient {n + 1}",
    "names": lambda n: ["anna", "Ben", "carl", "dora", "emil", "frida", "gustav", "hanna"][n],
    "mixed": lambda n: f"{'abcdefgh'[n]}{n}x{n * n}q",
}
"""How a hospital may call its patients."""
TREES: dict[str, Callable[[str, int, int], str]] = {
    "by patient": lambda who, visit, number: f"{who}/rec{visit}_{number}.edf",
    "by patient, visits below": lambda who, visit, number: f"{who}/visit{visit}/run{number}.edf",
    "by patient, nights below": lambda who, visit, number: f"{who}/night{visit}/part{number}.edf",
    "by patient, dates below": lambda who, visit, number: f"{who}/2021031{visit}/eeg_{number}.edf",
    "by patient, dates in names": lambda who, visit, number: f"{who}/EEG_2021031{visit}_{number}.edf",
    "by visit": lambda who, visit, number: f"visit{visit}/{who}_rec{number}.edf",
    "by visit, patients below": lambda who, visit, number: f"visit{visit}/{who}/rec{number}.edf",
    "by session": lambda who, visit, number: f"ses-{visit}/{who}/run{number}.edf",
    "by year": lambda who, visit, number: f"{2019 + visit}/{who}_eeg{number}.edf",
    "by year, patients below": lambda who, visit, number: f"{2019 + visit}/{who}/eeg{number:03}.edf",
    "flat": lambda who, visit, number: f"{who}_visit{visit}_run{number}.edf",
    "flat, dated": lambda who, visit, number: f"{who}_2021-03-1{visit}_{number}.edf",
    "in a directory for all": lambda who, visit, number: f"export/eeg/{who}/rec{visit}_{number}.edf",
    "mixed case": lambda who, visit, number: (
        f"{who.swapcase() if visit % 2 else who}/rec{visit}_{number}.edf"
    ),
}
CORPORA: dict[str, Callable[[int, int, int], str]] = {
    "BIDS": lambda n, v, k: f"sub-{n:02}/ses-{v}/eeg/sub-{n:02}_ses-{v}_task-rest_run-{k}_eeg.edf",
    "TUH": lambda n, v, k: (
        f"edf/{['train', 'dev'][v % 2]}/aaaaaa{chr(97 + n)}a/s00{v}_2012/01_tcp_ar/"
        f"aaaaaa{chr(97 + n)}a_s00{v}_t00{k}.edf"
    ),
    "TUH, numbers": lambda n, v, k: (
        f"01_tcp_ar/{n:03}/{258 + n:08}/s00{v}_2003_07_2{v}/{258 + n:08}_s00{v}_t00{k}.edf"
    ),
    "CHB-MIT": lambda n, v, k: f"chb{n + 2:02}/chb{n + 2:02}_{v}{k}.edf",
    "CHB-MIT, flat, mixed case": lambda n, v, k: f"{['chb', 'CHB'][k % 2]}{n + 2:02}_{v}{k}.edf",
    "Siena": lambda n, v, k: f"PN{n:02}/PN{n:02}-{v}{k}.edf",
    "Sleep-EDF": lambda n, v, k: f"sleep-cassette/SC4{n:02}{v}E{k}-PSG.edf",
    "Sleep-EDF, telemetry": lambda n, v, k: f"ST7{n:02}{v}J{k}-PSG.edf",
    "SHHS": lambda n, v, k: (
        f"shhs{v}/shhs{v}-{200001 + n}.edf.gz" if k == 1 else f"shhs{v}/shhs{v}-{200001 + n}-{k}.edf"
    ),
    "MrOS": lambda n, v, k: f"visit{v}/mros-visit{v}-aa{n:04}-{k}.edf",
    "EEGMMIDB": lambda n, v, k: f"S{n + 1:03}/S{n + 1:03}R{v}{k}.edf",
}
HEADERS = ("present", "absent", "equal everywhere", "partly present")


def corpus(
    people: int,
    tree: Callable[[int, int, int], str],
    headers: str,
    shape: list[tuple[int, int]],
    root: str = "",
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Entries by stem, each with its patient; ``shape`` is how many visits and recordings a patient has."""
    made = {}
    for n in range(people):
        visits, each = shape[n % len(shape)]
        for visit in range(1, visits + 1):
            for number in range(1, each + 1):
                path = tree(n, visit, number)
                code = {
                    "present": f"MRN {n}",
                    "absent": None,
                    "equal everywhere": "HOSPITAL",
                    "partly present": f"MRN {n}" if (n + visit + number) % 2 else None,
                }[headers]
                evidence = evidence_of(PurePosixPath(path), pseudonym(code) if code else None)
                stem = f"{root}:{path}"
                made[stem] = (f"{root}{n}", {"stem": stem, "root": root, "evidence": evidence})
    return made


def assert_parted_into_people(made: dict[str, tuple[str, dict[str, Any]]]) -> People:
    found = joined([entry for _, entry in made.values()])
    of_person: dict[str, set[str]] = {}
    for stem, (person, _) in made.items():
        of_person.setdefault(person, set()).add(stem)
    assert sorted(sorted(one) for one in of_person.values()) == sorted(list(u.stems) for u in found.all())
    return found


SHAPES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4)


@pytest.mark.parametrize("tree", TREES)
@settings(max_examples=60, deadline=None)
@given(
    style=st.sampled_from(sorted(PEOPLE)), n=st.integers(3, 8), headers=st.sampled_from(HEADERS), shape=SHAPES
)
def test_a_tree_that_names_patients_is_parted_into_them(
    tree: str, style: str, n: int, headers: str, shape: list[tuple[int, int]]
) -> None:
    build = TREES[tree]
    assert_parted_into_people(corpus(n, lambda i, v, k: build(PEOPLE[style](i), v, k), headers, shape))


@pytest.mark.parametrize("tree", CORPORA)
@settings(max_examples=30, deadline=None)
@given(n=st.integers(3, 8), headers=st.sampled_from(HEADERS), shape=SHAPES)
def test_a_tree_of_a_public_corpus_is_parted_into_its_patients(
    tree: str, n: int, headers: str, shape: list[tuple[int, int]]
) -> None:
    assert_parted_into_people(corpus(n, CORPORA[tree], headers, shape))


@settings(max_examples=60, deadline=None)
@given(
    trees=st.lists(
        st.tuples(st.sampled_from(sorted(TREES)), st.sampled_from(HEADERS)), min_size=2, max_size=3
    ),
    style=st.sampled_from(sorted(PEOPLE)),
    shape=SHAPES,
)
def test_equal_names_in_two_sources_are_two_patients(
    trees: list[tuple[str, str]], style: str, shape: list[tuple[int, int]]
) -> None:
    made = {}
    for root, (tree, headers) in zip("ABC", trees, strict=False):
        build = TREES[tree]
        made |= corpus(4, lambda i, v, k, b=build: b(PEOPLE[style](i), v, k), headers, shape, root)
    assert_parted_into_people(made)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(3, 8), shape=SHAPES, nested=st.booleans())
def test_headers_alone_join_what_names_do_not_tell(
    n: int, shape: list[tuple[int, int]], nested: bool
) -> None:
    def tree(who: int, visit: int, number: int) -> str:
        return f"{'' if not nested else f'visit{visit}/'}rec{who * 100 + visit * 10 + number:05}.edf"

    found = assert_parted_into_people(corpus(n, tree, "present", shape))
    assert not any(unit.names_only for unit in found.all())


@settings(max_examples=60, deadline=None)
@given(
    tree=st.sampled_from(sorted(TREES)),
    style=st.sampled_from(sorted(PEOPLE)),
    headers=st.sampled_from(("present", "absent", "partly present")),
    before=st.integers(3, 6),
    shape=SHAPES,
)
def test_who_was_there_before_is_drawn_by_what_it_was_drawn_by(
    tree: str, style: str, headers: str, before: int, shape: list[tuple[int, int]]
) -> None:
    def build(i: int, v: int, k: int) -> str:
        return TREES[tree](PEOPLE[style](i), v, k)

    old = corpus(before, build, headers, shape)
    new = corpus(before + 2, build, headers, [(v + 1, k + 1) for v, k in shape])
    assert set(old) < set(new)
    keys = {u.key for u in joined([entry for _, entry in old.values()]).all()}
    assert keys <= {u.key for u in joined([entry for _, entry in new.values()]).all()}
