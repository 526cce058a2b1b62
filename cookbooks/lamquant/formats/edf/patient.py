"""Makes a pseudonym of the patient that a header names."""

import re
import unicodedata
import zlib
from pathlib import Path

from blut_resources.files.foreign import open_regular
from cookbooks.lamquant.formats.edf.placeholders import is_placeholder
from cookbooks.lamquant.subjects.names import pseudonym

_DATE = re.compile(r"\d{1,2}-[A-Za-z]{3}-\d{4}|X", re.IGNORECASE)


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


def patient_key(field: str) -> str | None:
    """Returns a pseudonym of a patient field; None where the field names nobody.

    By EDF+ the field is code, sex, birth date and name. The code is whom it names; where that is X, name and
    birth date are. In plain EDF the whole field is one text.
    """
    words = _plain(field).split()
    named = " ".join(words)
    if len(words) >= 3 and words[1] in {"m", "f", "x"} and _DATE.fullmatch(words[2]):
        code, birth, name = words[0], words[2], " ".join(words[3:4])
        named = code if not is_placeholder(code) else f"{name} {birth}"
        if named != code and is_placeholder(name):
            return None
    if is_placeholder(named):
        return None
    return pseudonym(named)


def is_synthetic(patient: str, recording: str) -> bool:
    """Says whether one of the two fields says SYNTHETIC."""
    return "SYNTHETIC" in f"{patient} {recording}".upper()


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("\0", " ")
