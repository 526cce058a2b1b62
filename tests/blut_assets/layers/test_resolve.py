"""The same value comes from any layer, the stronger wins, and what is wrong is told by file and line."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from blut_assets.layers.resolve import layered, resolve
from blut_assets.layers.stack import FROZEN, POLICY
from blut_assets.recipes import ArgsError
from tests.blut_assets.layers.conftest import Write
from tests.blut_assets.recipes.toy import RECIPE


def where(name: str, **given: Any) -> str:
    found = layered(RECIPE, **given)
    return str(found.origins[tuple(name.split("."))])


def test_each_layer_is_stronger_than_those_before(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}
    seen = [str(resolve(RECIPE, sets=["lr=9"]).args.retries)]
    write("user/config.yaml", "lr: 1\nretries: 11\n")
    seen.append(where("lr", **said))
    write("blut.yaml", "# a comment\nlr: 1e-4\n")
    seen.append(where("lr", **said))
    write("configs/night.yaml", "lr: 3")
    said["config"] = "night"
    seen.append(where("lr", **said))
    monkeypatch.setenv("BLUT_ARG_LR", "4")
    seen.append(where("lr", **said))
    said["args"] = '{"lr": 5}'
    seen.append(where("lr", **said))
    said["sets"] = ["lr=6"]
    seen.append(where("lr", **said))
    ends = ["config.yaml:1", "blut.yaml:2", "night.yaml:1", "$BLUT_ARG_LR", "--args", "--set lr=6"]
    assert [one.endswith(end) for one, end in zip(seen[1:], ends, strict=True)] == [True] * 6, seen
    found = resolve(RECIPE, **said)
    assert (found.args.lr, found.args.retries) == (6, 11)  # type: ignore[attr-defined]
    assert seen[0] == "2"


def test_a_section_of_one_recipe_is_stronger_than_what_holds_for_all(write: Write) -> None:
    write("blut.yaml", "lr: 1\nrecipes:\n  other_one: {tier: 3}\n  fixed_train:\n    lr: 2\n")
    assert where("lr").endswith("blut.yaml:5")
    assert resolve(RECIPE).values == {"lr": 2}
    with pytest.raises(
        ArgsError, match=r"blut.yaml:3: recipes: no recipe is called 'other_one' \(did you mean"
    ):
        layered(RECIPE, recipes=["other_one1", "fixed_train"])


def test_objects_are_merged_key_by_key_and_lists_are_not(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("user/config.yaml", "limits: {memory_max: 4G, cpus: 1}")
    write("blut.yaml", "limits:\n  memory_max: 5G\n")
    monkeypatch.setenv("BLUT_ARG_LIMITS__TASKS_MAX", "77")
    monkeypatch.setenv("BLUT_ARG_LIMITS", '{"wall_clock": "1h"}')
    monkeypatch.setenv("BLUT_ARG_NOTE", "")
    found = resolve(RECIPE, args='{"lr": 1, "limits": {}}', sets=["limits.cpus=3"])
    limits = found.args.limits.model_dump(exclude_none=True, exclude_defaults=True)
    assert limits == {"memory_max": "5G", "cpus": 3, "tasks_max": 77, "wall_clock": "1h"}
    assert "note" not in found.values, "an empty variable says nothing"
    write("user/config.yaml", "limits: much\nlr: {a: 1}\n")
    assert layered(RECIPE, args='{"lr": 1}').values["limits"]["memory_max"] == "5G", "an object for a text"
    assert layered(RECIPE, args='{"lr": 1}').values["lr"] == 1, "and the other way round"
    whole = resolve(RECIPE, args='{"lr": 1}', sets=['limits={"cpus": 2}'])
    assert whole.args.limits.model_dump(exclude_none=True, exclude_defaults=True) == {"cpus": 2}


@pytest.mark.parametrize(
    ("files", "given", "words"),
    [
        (
            "lr: 1\nnotes: x\n",
            {},
            r"blut.yaml:2: fixed_train: unknown argument 'notes' = 'x' .*'note'.*; .*below `recipes:`",
        ),
        ({"user/config.yaml": "limits:\n  memory_maxx: 1G\n"}, {}, r"config.yaml:2: .*mean 'memory_max'"),
        (
            {"blut.yaml": "defaults: [speed: fast]\n", "configs/speed/fast.yaml": "lr: 1\n\nnoet: x\n"},
            {},
            r"configs/speed/fast.yaml:3: .*unknown argument 'noet'.*did you mean 'note'",
        ),
        ("lr: 1\nlr: 2\n", {}, r"blut.yaml:2: .*the key 'lr' appears twice"),
        ("- lr\n", {}, r"blut.yaml: expected names and values"),
        ("lr: [1\n", {}, r"blut.yaml:\d: cannot be read as YAML"),
        ("1: 2\n", {}, r'blut.yaml: 1: a key is text; write "1": with quotes'),
        ("note: ${env:NOT_SET}\n", {}, r"blut.yaml:1: note: \$NOT_SET is not set: set it, or give"),
        ("note: ${oc.env:X}\n", {}, r"blut.yaml:1: note: .*did you mean \$\{env:X\}"),
        ("note: ${lr}\n", {}, r"blut.yaml:1: note: \$\{lr\} cannot be replaced"),
        ("note: '${env:HF_TOKEN}'\n", {}, r"may be a secret by its name"),
        ("\nlr: fast\n", {}, r"blut.yaml:2: fixed_train: argument 'lr' = 'fast': "),
        ("limits: {memory_max: much}\n", {"sets": ["lr=1"]}, r"blut.yaml:1: .*'limits"),
        ({"blut.yaml": "defaults: [speed: fats]", "configs/speed/fast.yaml": ""}, {}, r":1: .*mean 'fast'"),
        ("defaults: {speed: fast}\n", {}, r"blut.yaml:1: defaults: expected a list"),
        ("defaults: [../../etc/passwd]\n", {}, r"blut.yaml:1: defaults: .*write `group: opt"),
        ("defaults:\n- _self_\n- a: {b: c}\n", {}, r"blut.yaml:3: defaults: .*write `group: option`"),
        (
            {
                "blut.yaml": "defaults: [a]",
                "configs/a.yaml": "defaults: [b]",
                "configs/b.yaml": "defaults: [a]",
            },
            {},
            "lead in a circle",
        ),
        ({}, {"config": "nigth"}, r"--config nigth: there is no nigth.yaml; there are: none; looked in .*"),
        ({"configs/night.yaml": ""}, {"config": "nigth"}, r"did you mean 'night'"),
        ({}, {"config": "./none.yaml"}, r"--config ./none.yaml: there is no such file"),
        ({}, {"config": "speed=fast"}, r"--config speed=fast: there is no group 'speed'; there are: none"),
        ({"configs/speed/a.yaml": ""}, {"config": "sped=a"}, r"no group 'sped' \(did you mean 'speed'"),
        ({"configs/speed/a.yaml": ""}, {"config": "speed=b"}, r"no speed/b.yaml; there are: a"),
        ({}, {"args": "[1]"}, r"--args \[1\]: expected an object"),
        ({}, {"args": "@none.yaml"}, r"--args @none.yaml: .*No such file"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_line(
    write: Write, files: str | dict[str, str], given: dict[str, Any], words: str
) -> None:
    for name, text in ({"blut.yaml": files} if isinstance(files, str) else files).items():
        write(name, text)
    with pytest.raises(ArgsError, match=words):
        resolve(RECIPE, **given)


def test_a_variable_of_no_argument_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_ARG_LRR", "1")
    with pytest.raises(
        ArgsError, match=r"\$BLUT_ARG_LRR: fixed_train: unknown argument 'lrr' = 1.*mean 'lr'"
    ):
        resolve(RECIPE)
    monkeypatch.delenv("BLUT_ARG_LRR")
    monkeypatch.setenv("BLUT_ARG_LR", "fast")
    with pytest.raises(ArgsError, match=r"^\$BLUT_ARG_LR: fixed_train: argument 'lr' = 'fast'"):
        resolve(RECIPE)


def test_a_variable_that_may_be_a_secret_is_told_without_its_value(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told(RECIPE.args):
        max_tokens: int = 1
        judges: Literal["a", "b"] = "a"
        api_key: list[int] = Field(default_factory=list)

    recipe = dataclasses.replace(RECIPE, args=Told)
    for name, of_it in {
        "HF_TOKEN": "unknown argument 'hf_token'",
        "LIMITS__PASSWORD": "unknown argument 'limits.password'",
        "MAX_TOKENS": "argument 'max_tokens'.*valid integer",
        "API_KEY": "argument 'api_key",
    }.items():
        for text in ("hunter2-hunter2", '["hunter2-hunter2"]', '{"a": "hunter2-hunter2"}'):
            monkeypatch.setenv(f"BLUT_ARG_{name}", text)
            with pytest.raises(ArgsError, match=rf"^\$BLUT_ARG_{name}: fixed_train: {of_it}") as caught:
                resolve(recipe)
            assert "hunter2" not in str(caught.value), text
            monkeypatch.delenv(f"BLUT_ARG_{name}")
    monkeypatch.setenv("BLUT_ARG_JUDGES", "hunter2")
    with pytest.raises(ArgsError, match="'hunter2'"):
        resolve(recipe)


def test_a_home_that_nobody_has_is_a_file_that_is_not_there(write: Write) -> None:
    write("blut.yaml", "lr: 1")
    with pytest.raises(ArgsError, match=r"--config ~nobody-here/x\.yaml: there is no such file"):
        resolve(RECIPE, config="~nobody-here/x.yaml")


def test_only_a_terminal_reads_what_lies_around_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("blut.yaml", "lr: 1")
    write("user/config.yaml", "note: mine")
    write("user/configs/night.yaml", "lr: 2")
    monkeypatch.setenv("BLUT_ARG_LOGGER", "none")
    assert layered(RECIPE, reads=POLICY, config="night").values == {"note": "mine", "lr": 2}
    assert layered(RECIPE, reads=FROZEN, args={"lr": 7}).values == {"lr": 7}
    assert layered(RECIPE).values == {"note": "mine", "lr": 1, "logger": "none"}


def test_a_file_counts_its_paths_from_where_it_lies(write: Write, tmp_path: Path) -> None:
    write("blut.yaml", "words: said/words\nlr: 1")
    write("sub/args.yaml", "words: said/words")
    assert layered(RECIPE).values["words"] == str(tmp_path / "project/said/words")
    typed = resolve(RECIPE, args="@args.yaml").args
    assert typed.words == str(tmp_path / "project/sub/said/words")  # type: ignore[attr-defined]
    other = write("other/said.yaml", "words: ../words")
    assert layered(RECIPE, config=str(other)).values["words"] == str(tmp_path / "project/words")
    assert json.dumps(layered(RECIPE).values)
