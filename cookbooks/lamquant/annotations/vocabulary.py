"""Says which class a text of an annotation stands for: a YAML file, shipped, which a user may replace.

A text is looked up whole, then by a beginning that ends in ``*``, then by its words. Words count only if
every one of them is known: `seizure` beside `possible` or `no` is not taken for a seizure, and neither is a
sentence.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blut_resources.files.documents import read_yaml
from blut_resources.files.foreign import read_regular

SHIPPED_VOCABULARY = Path(__file__).parent.parent / "configs" / "annotation_vocabulary.yaml"
MOST = 1 << 20
"""Bytes of a vocabulary at most."""
SCHEMA = "blut.annotation_vocabulary.v1"
DOUBTFUL = re.compile(r"[?¿±~≈]|\(-\)")
WORD = re.compile(r"[^\W_]+")
FEW_DIGITS = re.compile(r"\d{1,3}", re.ASCII)

Class = Literal["CRITICAL", "INTERESTING", "ARTIFACT", "BACKGROUND", "IGNORED"]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class VocabularyError(ValueError):
    """Says that a vocabulary cannot be read: the file, the field and what it must be."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    """Says that a text is of a class by its words: one of ``any``, and no other than these and ``beside``."""

    any: list[Text]
    beside: list[Text] = []


class Pair(_Strict):
    """Says that two points in time are the edges of one event, by the texts of starts and of ends."""

    starts: list[Text] = Field(min_length=1)
    ends: list[Text] = Field(min_length=1)
    label: Class = Field(alias="class")


class Vocabulary(_Strict):
    """Holds what the texts of annotations stand for.

    Attributes:
        point_s: seconds that an annotation without a duration is taken to last.
        labels: whole texts, or beginnings with ``*``, by class.
        words: words, by class.
        pairs: texts of starts and ends.
    """

    schema_: Literal["blut.annotation_vocabulary.v1"] = Field(alias="schema")
    point_s: float = Field(1.0, gt=0, le=60)
    labels: Mapping[Class, list[Text]] = {}
    words: Mapping[Class, Words] = {}
    pairs: list[Pair] = []

    def class_of(self, text: str) -> Class | None:
        """Returns the class of a text; None where the vocabulary does not know it."""
        plain = normal(text)
        if found := self._whole.get(plain):
            return found
        for beginning, label in self._beginnings:
            if plain.startswith(beginning):
                return label
        if DOUBTFUL.search(text):
            return None
        words = {word for word in WORD.findall(plain) if not FEW_DIGITS.fullmatch(word)}
        return next(
            (label for label, (any_, all_) in self._words.items() if words & any_ and words <= all_), None
        )

    def edge_of(self, text: str) -> tuple[int, bool] | None:
        """Returns which pair a text belongs to, and whether it is the start; None if to none."""
        return self._edges.get(normal(text))

    @cached_property
    def _whole(self) -> dict[str, Class]:
        return {
            normal(text): label for label, texts in self.labels.items() for text in texts if text[-1] != "*"
        }

    @cached_property
    def _beginnings(self) -> list[tuple[str, Class]]:
        found: list[tuple[str, Class]] = [
            (normal(text[:-1]), label)
            for label, texts in self.labels.items()
            for text in texts
            if text[-1] == "*"
        ]
        return sorted(found, key=lambda one: -len(one[0]))

    @cached_property
    def _words(self) -> dict[Class, tuple[frozenset[str], frozenset[str]]]:
        found = {}
        for label, words in self.words.items():
            any_ = frozenset(map(normal, words.any))
            found[label] = (any_, any_ | frozenset(map(normal, words.beside)))
        return found

    @cached_property
    def _edges(self) -> dict[str, tuple[int, bool]]:
        return {
            normal(text): (number, texts is pair.starts)
            for number, pair in enumerate(self.pairs)
            for texts in (pair.starts, pair.ends)
            for text in texts
        }


def normal(text: str) -> str:
    """Returns a text without differences of case, width, spaces and a full stop at the end."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".!:;, ")


def vocabulary_path(vocabulary: str) -> Path:
    """Returns the user's vocabulary, or the shipped one."""
    return Path(vocabulary) if vocabulary else SHIPPED_VOCABULARY


def read_vocabulary(path: Path) -> bytes:
    """Returns the bytes of a vocabulary.

    Raises:
        VocabularyError: it cannot be read, or is larger than any.
    """
    try:
        return read_regular(path, MOST)
    except OSError as error:
        raise VocabularyError(f"vocabulary {path.name}: {error}") from error


def parse_vocabulary(data: bytes, name: str) -> Vocabulary:
    """Returns the vocabulary in the bytes of a YAML file; ``name`` is the file's, for errors.

    Raises:
        VocabularyError: it does not validate, or a text has two classes.
    """
    try:
        found = Vocabulary.model_validate(read_yaml(data, name, MOST))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise VocabularyError(f"vocabulary {name}: {problems}") from error
    except ValueError as error:
        raise VocabularyError(f"vocabulary {error}") from error
    seen: dict[str, str] = {}
    for label, texts in found.labels.items():
        for text in texts:
            if seen.setdefault(normal(text), label) != label:
                raise VocabularyError(f"vocabulary {name}: labels: {text!r} stands for two classes")
    edges = [normal(text) for pair in found.pairs for text in (*pair.starts, *pair.ends)]
    if len(set(edges)) < len(edges):
        raise VocabularyError(
            f"vocabulary {name}: pairs: a text is the edge of two pairs, or start and end of one"
        )
    return found
