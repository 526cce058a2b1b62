"""Names and birth dates that a header tells stay out of the names of recordings, as codes do not."""

from pathlib import PurePosixPath

import pytest

from cookbooks.lamquant.formats.edf.nameless import nameless, telling
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.join import joined
from cookbooks.lamquant.subjects.lookup import NamedPatients, NamedRecordings

FIELD = "MRN-4711 F 02-AUG-1951 Lovelace_Ada"


@pytest.mark.parametrize(
    "path",
    [
        *("Lovelace/night1.edf", "lovelace_ada.edf", "ADA LOVELACE 2.EDF", "x/Ada-3.edf.gz"),
        *("EEG_1951-08-02.edf", "19510802/a.edf", "02.08.1951/a.edf", "510802_1.edf", "a/Lovelace.Ada.edf"),
    ],
)
def test_what_tells_a_person_becomes_a_pseudonym(path: str) -> None:
    shown = str(nameless(PurePosixPath(path), telling(FIELD))).casefold()
    assert not any(word in shown for word in ("lovelace", "ada", "1951", "510802"))
    assert shown.endswith((".edf", ".edf.gz"))


def test_one_name_is_one_pseudonym_however_it_is_spelled() -> None:
    spelled = {nameless(PurePosixPath(p), telling(FIELD)) for p in ("Lovelace/1.edf", "LOVELACE/1.edf")}
    assert len(spelled) == 1


@pytest.mark.parametrize(
    ("field", "path"),
    [
        (FIELD, "MRN-4711/visit1/rec2.edf"),
        ("00000258 M 01-JAN-1961 00000258 Age:41", "00000258/s002_2003_07_21/00000258_s002_t000.edf"),
        ("chb01", "chb01/chb01_03.edf"),
        ("X X X X", "anna/1.edf"),
        ("SYNTHETIC-s001 X X X", "SYNTHETIC-s001/session-1.edf"),
        ("Subject 12", "Subject 12/1.edf"),
        ("", "anna/1.edf"),
    ],
)
def test_codes_and_what_no_header_tells_stay(field: str, path: str) -> None:
    assert nameless(PurePosixPath(path), telling(field)) == PurePosixPath(path)


def test_a_file_of_the_users_may_say_the_names_as_they_are() -> None:
    people = {"Lovelace_Ada": FIELD, "Huber_Karl": "MRN-1 M 03-MAY-1949 Huber_Karl"}
    entries = [
        {
            "stem": f"{who}-{visit}",
            "evidence": evidence_of(nameless(PurePosixPath(path), telling(field)), who),
        }
        for who, field in people.items()
        for visit in (1, 2)
        for path in [f"{who}/visit{visit}/{who} {visit}.edf"]
    ]
    files, patients = NamedRecordings(entries), NamedPatients(joined(entries))
    for who in people:
        assert files.named(who)[0] == {f"{who}-1", f"{who}-2"}
        assert files.named(f"{who}/visit2/")[0] == files.named(f"{who}/visit2/{who} 2.edf")[0] == {f"{who}-2"}
        assert patients.named(who) == patients.named(who.upper())
    assert patients.named("Lovelace_Ada") != patients.named("Huber_Karl")
