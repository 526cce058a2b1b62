"""Makes a pseudonym of the patient that a header names."""

import re
import unicodedata
import zlib
from pathlib import Path
from typing import NamedTuple

from blut_resources.files.foreign import open_regular
from cookbooks.lamquant.formats.edf.placeholders import is_placeholder
from cookbooks.lamquant.subjects.names import pseudonym

_DATE = re.compile(r"\d{1,2}-[A-Za-z]{3}-\d{4}|X", re.IGNORECASE)


class PatientKeys(NamedTuple):
    """Holds pseudonyms of what a header calls its patient: a code, and a name with birth date."""

    header: str | None
    person: str | None


def patient_field(path: Path) -> str:
    """Returns the patient field of a file, also of one in gzip; empty where there is none to be read."""
    try:
        with open_regular(path) as file:
            head = file.read(1 << 12)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(wbits=31).decompress(head, 256)
    except (OSError, zlib.error):
        return ""
    return head[8:88].decode("latin-1") if len(head) >= 88 else ""


def patient_keys(field: str) -> PatientKeys:
    """Returns the pseudonyms of a patient field; none where the field names nobody.

    By EDF+ the field is code, sex, birth date and name. The code is one, name and birth date are another; a
    name alone counts only where there is no code. In plain EDF the whole field is one text.
    """
    words = _plain(field).split()
    if not (len(words) >= 3 and words[1] in {"m", "f", "x"} and _DATE.fullmatch(words[2])):
        return PatientKeys(_key(" ".join(words)), None)
    code, birth, name = _key(words[0]), words[2], " ".join(words[3:4])
    told = not is_placeholder(name) and (code is None or birth != "x")
    return PatientKeys(code, pseudonym(f"{name} {birth}") if told else None)


def _key(text: str) -> str | None:
    return None if is_placeholder(text) else pseudonym(text)


def is_synthetic(patient: str, recording: str) -> bool:
    """Says whether one of the two fields says SYNTHETIC."""
    return "SYNTHETIC" in f"{patient} {recording}".upper()


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("\0", " ")
