"""Each key of a YAML text has the line in which it stands."""

from blut_resources.files.yaml_places import lines_of

TEXT = """\
# a comment
lr: 1
limits:
  cpus: 2

  memory_max: 4G
"quoted key": {inner: 1, other:
  2}
list:
- a
- b: 1
  c: [x,
    y]
text: |
  b: 1
  c: 2
"""


def test_keys_and_members_of_lists_have_lines() -> None:
    assert lines_of(TEXT) == {
        **{("lr",): 2, ("limits",): 3, ("limits", "cpus"): 4, ("limits", "memory_max"): 6},
        **{("quoted key",): 7, ("quoted key", "inner"): 7, ("quoted key", "other"): 7},
        **{
            ("list",): 9,
            ("list", "0"): 10,
            ("list", "1"): 11,
            ("list", "1", "b"): 11,
            ("list", "1", "c"): 12,
        },
        **{("list", "1", "c", "0"): 12, ("list", "1", "c", "1"): 13, ("text",): 14},
    }
    assert lines_of("") == {} == lines_of("just text")
