"""Which patient fields name the same person, and which name nobody."""

import pytest

from cookbooks.lamquant.formats.edf.patient import PatientKeys, patient_keys


@pytest.mark.parametrize(
    "field",
    [
        *("", " ", "X", "X X X X", "x x x x", "- - - -", "X F 20-JAN-1998 X", "X F 20-JAN-1998 X,X"),
        *("X M X X", "anonymous", "Anonymized", "ANONYMISED", "unknown", "Patient", "n/a", "0", "00000000"),
        *("X F X Female_33yr", "X M X Male_26yr", "no name", "?", "deidentified"),
        *(
            "Anonymized^Patient",
            "no_name",
            "redacted",
            "null",
            "N.N.",
            "***",
            "Anonymous^^",
            "[removed]",
            "n.a.",
        ),
        *("not available", "F", "M", "M X", "Unknown_Patient", "de-identified", "...", "02-MAY-1950", "w 34"),
        *(
            "unbekannt",
            "gelöscht",
            "kein Name",
            "Inconnu",
            "anonymisé",
            "sans nom",
            "desconocido",
            "sin nombre",
        ),
        *("Sconosciuto", "rimosso", "nessun nome", "não disponível", "anônimo", "sem_nome", "John Doe"),
        *(
            "Doe^Jane",
            "UNK F X UNK",
            "k.A.",
            "keine Angabe",
            "N.D.",
            "non connu",
            "sin datos",
            "Herr X",
            "99999",
        ),
        *("PHI_REMOVED", "deID", "to be defined", "45 M", "male 45 years", "noid", "TBD"),
        *("redacted M 01-JAN-1900 removed", "<none> X X -", "1950-05-02", "subject_X", "xxx M 12.12.1950"),
    ],
)
def test_a_field_that_names_nobody_has_no_key(field: str) -> None:
    assert patient_keys(field) == PatientKeys(None, None)


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
    keys = {next(filter(None, patient_keys(field)), None) for field in fields}
    assert len(keys) == 1 and None not in keys


def test_other_people_have_other_keys() -> None:
    fields = (
        *("A1 F 02-MAY-1951 Haagse_Harry", "A2 F 02-MAY-1951 Haagse_Harry", "X F 02-MAY-1951 Haagse_Harry"),
        *("X F 03-MAY-1951 Haagse_Harry", "X F 02-MAY-1951 Haagse_Hanna", "Harry Haagse", "Harry Jones"),
        *("Patient 1", "Patient 2"),
        *("anon123", "F12345", "M-012", "F34", "w_07", "J.D.", "Na Li", "No 17", "1950", "Jonas Frau-Holm"),
    )
    keys = [patient_keys(field).header or patient_keys(field).person for field in fields]
    assert None not in keys and len(set(keys)) == len(fields)
    assert not any("harry" in (key or "") for key in keys)


def test_a_name_with_birth_date_is_told_beside_a_code_and_without_one() -> None:
    code, person = patient_keys("MRN4711 F 02-MAY-1950 Haagse_Ana")
    assert code == patient_keys("mrn4711").header != person
    assert patient_keys("X F 02-MAY-1950 haagse_ana") == PatientKeys(None, person)
    assert patient_keys("MRN4711 F X Haagse_Ana") == PatientKeys(code, None)
