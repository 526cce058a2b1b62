"""The glossary has the words that newcomers did not understand, and one finds them."""

import re

import pytest

from tests.conftest import REPOSITORY
from tests.docs.pages import PAGES

GLOSSARY = (REPOSITORY / "docs/glossary.md").read_text()
ENTRIES = dict(re.findall(r"^## (.*)\n\n(.+)", GLOSSARY, re.MULTILINE))
HARD = (
    "asset",
    "gate",
    "floor",
    "promotion",
    "tier",
    "PRDN",
    "R",
    "LQS ladder",
    "anchor",
    "intent",
    "experiment",
)
HARD = (
    *HARD,
    "instance",
    "start hours",
    "artifact",
    "payload",
    "verdict",
    "recipe",
    "cookbook",
    "GGUF",
    "policy",
)


@pytest.mark.parametrize("word", HARD)
def test_a_hard_word_is_explained(word: str) -> None:
    assert len(ENTRIES[word].split()) > 6


def test_the_words_are_in_order() -> None:
    words = list(ENTRIES)
    assert len(words) > len(HARD) and words == sorted(words, key=str.casefold)


@pytest.mark.parametrize("word", HARD)
def test_a_page_links_to_it(word: str) -> None:
    link = f"glossary.md#{word.lower().replace(' ', '-')})"
    assert any(link in page.read_text() for page in PAGES)
