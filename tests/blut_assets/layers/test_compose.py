"""`defaults:` choose options of groups, in order, and put them where the args have room for them."""

import pytest

from blut_assets.layers.resolve import layered
from blut_assets.recipes import ArgsError
from tests.blut_assets.layers.conftest import Write
from tests.blut_assets.recipes.toy import RECIPE


@pytest.fixture(autouse=True)
def groups(write: Write) -> None:
    write("configs/speed/fast.yaml", "lr: 2\nnote: fast\n")
    write("configs/speed/slow.yaml", "defaults: [_self_, fast_too]\nlr: 3\nnote: slow\n")
    write("configs/fast_too.yaml", "note: as fast as the other\n")
    write("configs/limits/gpu24.yaml", "memory_max: 24G\ncpus: 4\n")
    write("configs/limits/tight.yaml", "memory_max: 1G\n")
    write("configs/limits/slow/night.yaml", "wall_clock: 8h\n")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("defaults: [speed: fast]\nnote: own\n", {"lr": 2, "note": "own"}),
        ("defaults: [speed: fast, _self_]\nnote: own\n", {"lr": 2, "note": "own"}),
        ("note: own\ndefaults: [_self_, speed: fast]\n", {"lr": 2, "note": "fast"}),
        ("defaults: [speed: fast, speed: slow]\n", {"lr": 3, "note": "as fast as the other"}),
        ("defaults:\n- speed: [slow, fast]\n", {"lr": 2, "note": "fast"}),
        ("defaults: [speed: null]\nlr: 1\n", {"lr": 1}),
        ("defaults: []\nlr: 1\n", {"lr": 1}),
        ("defaults:\nlr: 1\n", {"lr": 1}),
        ("defaults: [fast_too]\n", {"note": "as fast as the other"}),
        ("defaults: [limits: gpu24]\n", {"limits": {"memory_max": "24G", "cpus": 4}}),
        ("defaults: [limits@_global_: gpu24]\n", "unknown argument 'memory_max'"),
        ("defaults: [limits@limits: gpu24, limits: tight]\n", {"limits": {"memory_max": "1G", "cpus": 4}}),
        ("defaults: [limits: gpu24]\nlimits: {cpus: 1}", {"limits": {"memory_max": "24G", "cpus": 1}}),
        ("defaults: [limits/slow@limits: night]\n", {"limits": {"wall_clock": "8h"}}),
        ("defaults: [speed@limits: fast]\n", "unknown argument 'limits.lr'"),
        ("defaults: [speed: '${env:SPEED,fast}']\nlr: 1", {"lr": 1, "note": "fast"}),
        ("recipes: {fixed_train: {defaults: [speed: fast], lr: 1}}\nnote: x\n", {"lr": 1, "note": "fast"}),
        ("recipes: {fixed_train: }\nnote: x\n", {"note": "x"}),
        ("recipes: [fixed_train]\n", "blut.yaml:1: recipes: expected names of recipes"),
        ("recipes: {fixed_train: fast}\n", "recipes.fixed_train: expected names and values"),
    ],
)  # fmt: skip
def test_order_decides_and_a_group_goes_where_there_is_room(write: Write, text: str, values: object) -> None:
    write("blut.yaml", text)
    if isinstance(values, str):
        with pytest.raises(ArgsError, match=values):
            layered(RECIPE)
    else:
        assert layered(RECIPE).values == values


def test_an_option_is_chosen_on_the_command_line(write: Write) -> None:
    write("blut.yaml", "defaults: [speed: fast, limits: gpu24]\nlr: 1\n")
    in_place = layered(RECIPE, config=["speed=slow", "limits=tight"])
    assert in_place.values == {"lr": 1, "note": "as fast as the other", "limits": {"memory_max": "1G"}}
    write("blut.yaml", "lr: 1\n")
    on_top = layered(RECIPE, config=["limits@limits=tight", "speed=fast"])
    assert on_top.values == {"lr": 2, "note": "fast", "limits": {"memory_max": "1G"}}
    assert str(on_top.origins["lr",]).endswith("configs/speed/fast.yaml:1")
    with pytest.raises(
        ArgsError, match=r"--config speed=fats: there is no speed/fats.yaml \(did you mean 'fast'"
    ):
        layered(RECIPE, config="speed=fats")


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("${env:WHO}", "me"),
        ("for ${env:WHO} and ${env:NOBODY,you}", "for me and you"),
        ("${env:NOBODY,}", ""),
        ("${env:NOBODY, a, b }", "a, b"),
        ("${env: WHO }", "me"),
        (r"\${env:WHO} $HOME $(x) {y}", "${env:WHO} $HOME $(x) {y}"),
    ],
)
def test_only_variables_are_replaced(
    write: Write, monkeypatch: pytest.MonkeyPatch, said: str, value: str
) -> None:
    monkeypatch.setenv("WHO", "me")
    write("blut.yaml", f"note: '{said}'\n")
    assert layered(RECIPE).values == {"note": value}
    assert layered(RECIPE, args={"note": said}).values == {"note": said}, "args are what they are"
