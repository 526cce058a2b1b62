"""The policy file: strict when read, careful when written."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blut_resources.files.durable import file_lock
from sensors.policy.file import PolicyError, edit, parse, policy_path, read
from sensors.policy.starter import starter
from tests.conftest import REPOSITORY

COMMENTED = """\
# mine, do not touch
recipe = "lamquant_joint_codec"  # the big one
new_recordings = 10

[args]   # of the recipe
edf_root = "/data/eeg" # on the array
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("enabled = tru", ["cannot be read as TOML", "line 1"]),
        ("enabled = 'yes'", ["enabled = 'yes'", "valid boolean"]),
        ("enabled = true\nrecipe = 'r'", ["nothing triggers it", "new_recordings", "schedule"]),
        (
            "cooldown_days = 7",
            ["p.toml:1: cooldown_days = 7: no such field (did you mean 'cooldown'?); there are"],
        ),
        ("new_recordings = 0", ["new_recordings = 0", "greater than or equal to 1"]),
        ("new_rows = 1.5", ["new_rows = 1.5", "valid integer"]),
        ("new_bytes = '2X'", ["new_bytes = '2X': not a size; say it as bytes or like"]),
        ("max_age = '-3d'", ["max_age = '-3d': not a duration"]),
        ("cooldown = '99999d'", ["cooldown = '99999d': longer than 3650 days"]),
        (
            "schedule = '61 * * * *'",
            ["schedule = '61 * * * *': no cron expression: bad minute; give"],
        ),
        ("schedule = '0 0 31 2 *'", ["schedule = '0 0 31 2 *'"]),
        ("quiet_hours = ['25:00', '01:00']", ["'25:00' is no time of day"]),
        ("quiet_hours = '02-06'", ["quiet_hours = '02-06': give two times of day"]),
        ("time_zone = 'Mars'", ["time_zone = 'Mars': no such time zone; give one like"]),
        ("gpu_memory_free = '8G'", ["gpu_memory_free without gpus_free"]),
        ("[args]\nsince = 2026-01-01", ["args = ", "as text in quotes"]),
        ("enabled = false\n[policies.a]", ["enabled = False stands beside [policies.*]"]),
        ("policies = 3", ["policies = 3; write one table [policies.NAME]"]),
        ("[policies.a]\n[policies.b]\nmax_age = true", ["p.toml:3: policies.b.max_age = True"]),
    ],
)
def test_a_malformed_file_is_refused_naming_field_value_and_remedy(text: str, words: list[str]) -> None:
    with pytest.raises(PolicyError) as refused:
        parse(text, Path("p.toml"))
    assert all(word in str(refused.value) for word in ["p.toml", *words]), str(refused.value)


def test_no_file_is_no_policy(tmp_path: Path) -> None:
    assert read(tmp_path / "none.toml").policies == {}


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="cannot be read"):
        read(tmp_path / "p.toml")


def test_the_place_is_the_users_own_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUT_TRAIN_POLICY", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert policy_path() == Path.home() / ".config" / "blut" / "train-policy.toml"
    monkeypatch.setenv("BLUT_TRAIN_POLICY", "/elsewhere/p.toml")
    assert policy_path() == Path("/elsewhere/p.toml")


def test_an_edit_keeps_comments_order_and_what_it_was_not_told_to_change(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(COMMENTED)
    edit(path, None, {"enabled": True, "cooldown": "3d", "new_recordings": None, "max_age": "30d"})
    text = path.read_text()
    for kept in ("# mine, do not touch\n", "# the big one", "[args]   # of the recipe", "# on the array"):
        assert kept in text
    policy = read(path).policies["default"]
    assert policy.enabled and policy.cooldown.days == 3 and policy.new_recordings is None
    assert policy.args == {"edf_root": "/data/eeg"}
    edit(path, None, {"enabled": False})
    assert path.read_text() == text.replace("enabled = true", "enabled = false")


def test_an_edit_that_would_make_the_file_wrong_leaves_it_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(COMMENTED)
    with pytest.raises(PolicyError, match="new_bytes"):
        edit(path, None, {"new_bytes": "many"})
    assert path.read_text() == COMMENTED
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name] == []


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "p.toml"
    real.write_text(COMMENTED)
    link.symlink_to(real)
    edit(link, None, {"enabled": True})
    assert link.is_symlink() and read(real).policies["default"].enabled


def test_several_policies_need_a_name_and_do_not_touch_each_other(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    edit(path, "night", {"recipe": "a", "new_rows": 5})
    edit(path, "day", {"recipe": "b", "max_age": "1d"})
    with pytest.raises(PolicyError, match="holds night, day; say which one"):
        edit(path, None, {"enabled": True})
    edit(path, "day", {"enabled": True})
    found = read(path).policies
    assert (found["night"].enabled, found["day"].enabled) == (False, True)
    path.write_text(COMMENTED)
    with pytest.raises(PolicyError, match=r"put the lines of the first one below a header"):
        edit(path, "second", {"enabled": True})


WRITER = """
import sys
from pathlib import Path
from sensors.policy.file import edit
for number in range(20):
    edit(Path(sys.argv[1]), sys.argv[2], {"new_rows": number + 1})
"""


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    with file_lock(tmp_path / ".p.toml.lock"):  # so that all of them begin together
        command = [sys.executable, "-c", WRITER, str(path)]
        writers = [subprocess.Popen([*command, f"p{n}"], cwd=REPOSITORY) for n in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert {name: p.new_rows for name, p in read(path).policies.items()} == dict.fromkeys(
        ["p0", "p1", "p2"], 20
    )


toml_ish = st.lists(
    st.builds(
        lambda name, value: f"{name} = {value}",
        st.sampled_from(["enabled", "recipe", "new_rows", "quiet_hours", "cooldown", "args", "max_age", "x"]),
        st.sampled_from(
            ["true", "0", "-1", "3", "1e400", "nan", "'a'", "'1d'", "[]", "['02:00', '04:00']", "{}"]
        )
        | st.text(max_size=8),
    ),
    max_size=4,
).map("\n".join)


@given(st.text(max_size=60) | toml_ish)
@settings(max_examples=300, deadline=None)
def test_whatever_a_file_holds_it_is_a_policy_or_a_reason(text: str) -> None:
    try:
        found = parse(text, Path("p.toml"))
    except PolicyError as error:
        assert str(error).startswith("p.toml:") and len(str(error)) > 12
    else:
        triggers = ("new_recordings", "new_rows", "new_bytes", "max_age", "schedule")
        for policy in found.values():
            assert not (policy.enabled and policy.recipe) or any(getattr(policy, one) for one in triggers)
        tomllib.loads(text)


@pytest.mark.parametrize("name", ["night", "a.b c"])
def test_the_first_policy_of_a_file_may_have_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "policy.toml"
    changes = {"enabled": True, "recipe": "r", "max_age": "1d"}
    assert edit(path, name, changes, starter("r", "a note"))[0] == name
    assert edit(path, "other", changes)[0] == "other"
    assert list(read(path).policies) == [name, "other"] and read(path).policies[name].enabled
