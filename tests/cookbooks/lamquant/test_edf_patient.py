"""Which patient fields name the same person, and which name nobody."""

import pytest

from cookbooks.lamquant.formats.edf.patient import patient_key


@pytest.mark.parametrize(
    "field",
    [
        *("", " ", "X", "X X X X", "x x x x", "- - - -", "X F 20-JAN-1998 X", "X F 20-JAN-1998 X,X"),
        *("X M X X", "anonymous", "Anonymized", "ANONYMISED", "unknown", "Patient", "n/a", "0", "00000000"),
        *("X F X Female_33yr", "X M X Male_26yr", "no name", "?", "deidentified"),
    ],
)
def test_a_field_that_names_nobody_has_no_key(field: str) -> None:
    assert patient_key(field) is None


@pytest.mark.parametrize(
    "fields",
    [
        ("MCH-0234567 F 02-MAY-1951 Haagse_Harry", "mch-0234567 X X X", "MCH-0234567 F X Somebody_Else"),
        ("X F 02-MAY-1951 Haagse_Harry", "X X 02-MAY-1951 haagse_harry"),
        ("Harry Haagse, ward 7", "harry  haagse, WARD 7"),
        ("Müller Hans", "Mu\u0308ller hans"),
        ("S001", "s001 "),
    ],
)
def test_spellings_of_one_person_share_a_key(fields: tuple[str, ...]) -> None:
    assert len({patient_key(field) for field in fields}) == 1
    assert patient_key(fields[0]) is not None


def test_other_people_have_other_keys() -> None:
    fields = (
        *("A1 F 02-MAY-1951 Haagse_Harry", "A2 F 02-MAY-1951 Haagse_Harry", "X F 02-MAY-1951 Haagse_Harry"),
        *("X F 03-MAY-1951 Haagse_Harry", "X F 02-MAY-1951 Haagse_Hanna", "Harry Haagse", "Harry Jones"),
        *("Patient 1", "Patient 2"),
    )
    keys = [patient_key(field) for field in fields]
    assert None not in keys and len(set(keys)) == len(fields)
    assert not any("harry" in (key or "") for key in keys)
