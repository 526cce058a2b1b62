"""Compares names of people as a person would, and hides them."""

import unicodedata

from blake3 import blake3

HIDDEN = "hidden:"
"""How the stand-in of a name begins; no file of an archive is called so."""


def patient_key(subject: str) -> str:
    """Returns what all spellings of a subject share:
    ``anna``, ``ANNA`` and a padded ``anna`` are one patient.

    Case, composition of accents, width, spaces around and between words, and characters that nobody sees make
    no difference (NFKC and full case folding).
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", subject).casefold())
    seen = (c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(seen).split()) or subject


def hidden(name: str) -> str:
    """Returns what stands for the name of a file that tells a person: whoever has the file finds it again."""
    return f"{HIDDEN}{blake3(name.encode(errors='surrogateescape')).hexdigest()[:32]}"


def pseudonym(code: str) -> str:
    """Returns what stands for a patient code of a header: a hash that all its spellings share.

    Whoever can guess a code can confirm it: it is a pseudonym, not anonymity.
    """
    return f"p{blake3(patient_key(code).encode()).hexdigest()[:12]}"
