"""Names from paths: whose recording it is, and what its archive is called.

The subject is the unit by which recordings are split. In this order; the first that gives a name wins:

1. the file name, where it follows a public corpus: ``aaaaaaaa_s001_t000`` (TUH), ``chb01_03`` (CHB-MIT),
   ``PN00-1`` (Siena), ``name_20240131`` (a dated session), ``sub-01_...`` (BIDS);
2. the directory the file lies in, passing over directories that name a session or a modality
   (``ses-1``, ``session2``, ``s003_2012``, ``20240131``, ``eeg``, ``edf``);
3. a short hash of the EDF patient code, never the code itself;
4. the file name.

The hash parts subjects without showing their code, but whoever can guess a code can confirm it: it is a
pseudonym, not anonymity.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from blake3 import blake3

FILE_NAMES = (
    re.compile(r"^sub-(?P<subject>[A-Za-z0-9]+)(?:_|$)"),
    re.compile(r"^(?P<subject>[A-Za-z0-9]+)_s\d+_t\d+$"),
    re.compile(r"^(?P<subject>[A-Za-z]+)_\d{8}$"),
    re.compile(r"^(?P<subject>chb\d+)[a-z]?_\d+\+?$", re.IGNORECASE),
    re.compile(r"^(?P<subject>PN\d+)[-_]\d+"),
)
NOT_A_SUBJECT = re.compile(
    r"^(ses-.*|s(es(s(ion)?)?)?[-_ ]?\d+([-_]\d+)*|\d{4}[-_]?\d{2}[-_]?\d{2}|\d+_tcp_.*|"
    r"i?eeg|edf|bdf|raw|data)$",
    re.IGNORECASE,
)
# Characters that archive readers or other systems refuse in a name.
UNSAFE = re.compile(r'[\x00-\x1f\x7f\\:"<>|?*\ud800-\udfff]')
MAX_STEM_BYTES = 180


def subject_of(relative: PurePosixPath, patient_code: str | None) -> str:
    """The subject id of the recording at ``relative`` (to the corpus root, never an absolute path)."""
    for pattern in FILE_NAMES:
        if found := pattern.match(relative.stem):
            return found["subject"]
    for folder in reversed(relative.parent.parts):
        if not NOT_A_SUBJECT.match(folder):
            return folder
    if patient_code is not None:
        return f"p{blake3(patient_code.encode()).hexdigest()[:12]}"
    return relative.stem


def stems_of(relatives: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Archive names: the path without suffix, ``/`` as ``__``; unique also where case is ignored."""
    stems: dict[PurePosixPath, str] = {}
    taken: set[str] = set()
    for relative in relatives:
        plain = _shortened(UNSAFE.sub("_", relative.with_suffix("").as_posix().replace("/", "__")))
        stem, number = plain, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.casefold())
        stems[relative] = stem
    return stems


def _shortened(stem: str) -> str:
    encoded = stem.encode()
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    tag = hashlib.sha256(encoded).hexdigest()[:12]
    return f"{encoded[: MAX_STEM_BYTES - len(tag) - 1].decode(errors='ignore')}-{tag}"
