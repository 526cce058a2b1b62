"""The line of a TOML text in which a key stands."""

import pytest

from blut_resources.files.toml_places import place

TEXT = """\
# first
all = true

[[hook]]
name = "a"

[[hook]]
name = "b"
"odd name" = 1

[policies."a b".args]
x.y = 3
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("all",), ":2"),
        (("hook",), ":4"),
        (("hook", 1, "name"), ":8"),
        (("hook", 1, "odd name"), ":9"),
        (("hook", 1, "on", 0), ":7"),
        (("policies", "a b", "args", "x", "y"), ":12"),
        (("policies", "a b", "args", "z"), ":11"),
        (("nothing",), ""),
    ],
)
def test_a_key_is_found_or_the_nearest_table_around_it(keys: tuple[str | int, ...], line: str) -> None:
    assert place("f", TEXT, keys) == f"f{line}"
