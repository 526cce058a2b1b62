"""Recognises names that follow a public corpus or a standard, and knows subjects that two of them share."""

import re
from typing import NamedTuple


class Shared(NamedTuple):
    """Says which cases of a public corpus are one person, and where that is written."""

    cases: frozenset[str]
    fact: str
    source: str


PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"sub-(?P<subject>[a-z0-9]+)(_.*)?",  # BIDS
        r"(?P<subject>[a-z0-9]+)_s\d+_t\d+",  # TUH EEG corpus
        r"(?P<subject>chb\d+)[a-z]?(_\d+\+?)?",  # CHB-MIT
        r"(?P<subject>pn\d\d)([-_]\d.*)?",  # Siena
        r"(?P<subject>(sc4|st7)\d\d)\d([a-z][a-z0-9])?(-.*)?",  # Sleep-EDF: study, subject, night
        r"(?P<subject>s\d{3})r\d\d",  # EEG Motor Movement/Imagery
        # the National Sleep Research Resource: cohort, visit, subject
        r"(?P<cohort>shhs)\d-(?P<subject>\d+)(-.*)?",
        r"(?P<cohort>mros|cfs|wsc)-visit\d+-(?P<subject>[a-z]*\d+)(-.*)?",
        r"(?P<cohort>chat|heartbeat|bestair|abc)-(baseline|followup|nonrandomized|month\d+)-(?P<subject>\d+)(-.*)?",
        r"(?P<cohort>sof)-visit-\d+-(?P<subject>\d+)(-.*)?",
        r"(?P<cohort>mesa-sleep|ccshs-trec|homepap-lab-full|homepap-lab-split|apples|stages)-(?P<subject>[a-z]*\d+)(-.*)?",
    )
)
"""Whole names of a file or directory, folded; the group ``subject`` is whose it is."""

SHARED = (
    Shared(
        frozenset({"chb01", "chb21"}),
        "CHB-MIT case 21 is the girl of case 1, a year and a half later",
        "https://physionet.org/content/chbmit/1.0.0/",
    ),
)


def known_subject(name: str) -> tuple[str, str] | None:
    """Returns whose a file or directory is whose name, folded, follows a public corpus; None elsewhere.

    Returns:
        The subject as compared, which no number elsewhere equals, and as a person would say it.
    """
    for pattern in PATTERNS:
        if found := pattern.fullmatch(name):
            subject, cohort = found["subject"], found.groupdict().get("cohort")
            if cohort:
                return f"{cohort}-{subject}", f"{cohort}-{subject}"
            return f"sub-{subject}" if name.startswith("sub-") else subject, subject
    return None


def shared(subject: str) -> Shared | None:
    """Returns what is known of a case that is also another one's person."""
    return next((one for one in SHARED if subject in one.cases), None)
