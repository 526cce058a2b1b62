"""Documents of others are values or one kind of error, whatever is in them."""

import contextlib
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from blut_resources.files.documents import DocumentError, read_json, read_toml, read_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, r"card, line 2: an alias \(\*a\); write out what it stands for"),
        ("{[1, 2]: 3}", "cannot be read as YAML"),
        ("? {a: 1}\n: 2", "cannot be read as YAML: .*unhashable"),
        ("day: 2024-02-31", "cannot be read as YAML: day is out of range"),
        (f"n: {'1' * 5000}", "card, line 1: a number of more than 400 digits"),
        (f"n: {'1:' * 100_000}1", "card, line 1: a number of more than 400 digits"),
        ("[" * 100_000, "more than 64 levels of lists or mappings; flatten them"),
        ("- " * 3000 + "x", "more than 64 levels of lists or mappings; flatten them"),
        (
            "x: !!python/object/apply:os.system [id]",
            "cannot be read as YAML: could not determine a constructor",
        ),
        ("a: 1\na: 2", "the key 'a' appears twice"),
        ("x: !!timestamp nonsense", "cannot be read as YAML"),
        ("x: !!int nonsense", "cannot be read as YAML"),
        ("a: [", "cannot be read as YAML"),
        ("\x07", "cannot be read as YAML"),
    ],
)
def test_hostile_yaml_is_told_at_once(text: str, words: str) -> None:
    started = time.process_time()
    with pytest.raises(DocumentError, match=f"(?s)card.*{words}|{words}"):
        read_yaml(text, "card")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_json, "[" * 100_000, "card: cannot be read as JSON: too many levels"),
        (read_json, "[" * 70 + "]" * 70, "card: more than 64 levels of lists or mappings; flatten them"),
        (read_json, "1" * 5000, "card: cannot be read as JSON: Exceeds the limit"),
        (read_json, b"\xff", "card: cannot be read as UTF-8"),
        (read_json, "x" * 100, "card: cannot be read as JSON: Expecting value"),
        (read_toml, "a = " + "[" * 100_000, "card: cannot be read as TOML: too many levels"),
        (read_toml, f"a = {'1' * 5000}", "card: cannot be read as TOML: Exceeds the limit"),
        (read_toml, "a = 2024-02-31", "card: cannot be read as TOML"),
    ],
)
def test_hostile_json_and_toml_are_told_in_the_same_way(read: Any, text: Any, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        read(text, "card")
    with pytest.raises(DocumentError, match="card: more than 3 bytes"):
        read(text if len(text) > 3 else text * 4, "card", 3)


def test_a_name_twice_and_what_is_no_number_are_refused_where_that_is_asked() -> None:
    assert read_json('{"a": 1, "a": NaN}', "x")["a"] != 1
    with pytest.raises(DocumentError, match="x: cannot be read as JSON: 'a' stands in one object twice"):
        read_json('{"a": 1, "a": 2}', "x", distinct=True)
    with pytest.raises(DocumentError, match="NaN is no number in JSON"):
        read_json("[NaN]", "x", distinct=True)


WORDS = {
    **{"1e-4": 1e-4, "-1E+3": -1000.0, "1.": 1.0, ".5": 0.5, "0": 0, "1_000": 1000, "0x1f": 31, "-0.0": -0.0},
    **{"007": "007", "12:30": "12:30", "2026-12-01": "2026-12-01", "no": "no", "Off": "Off", "y": "y"},
    **{"1e5x": "1e5x", "3f2e1": "3f2e1", "true": True, "False": False, "~": None, "null": None},
}


@pytest.mark.parametrize(("word", "value"), WORDS.items())
def test_a_bare_word_can_be_what_it_is_in_json(word: str, value: Any) -> None:
    found = read_yaml(f"a: {word}", "x", as_json=True)["a"]
    assert found == value and type(found) is type(value)
    assert read_yaml(f"a: '{word}'", "x", as_json=True)["a"] == word
    assert read_yaml("a: 1e-4\nb: 12:30\nc: no", "x") == {"a": "1e-4", "b": 750, "c": False}, "YAML 1.1"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_plain_yaml_comes_back_as_it_was(value: Any) -> None:
    class NoAliases(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    assert read_yaml(yaml.dump(value, Dumper=NoAliases), "x") == value


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a1:-[]{}&*!|>'\"?,#%@ \n\t<~.0_x", max_size=40))
def test_any_text_is_a_value_or_the_one_error(text: str) -> None:
    for read in (read_yaml, read_json, read_toml):
        with contextlib.suppress(DocumentError):
            read(text, "x")
