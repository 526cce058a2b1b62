"""Figures with their uncertainty: intervals that cover, and a table that says how many samples there were."""

import math
import random

import pytest

from cookbooks.llm.evaluation.intervals import (
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
    wilson,
)
from cookbooks.llm.evaluation.scores import Sample, Scores, table


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (15, 24, 0.4271, 0.7884)],
)
def test_a_share_gets_wilsons_interval(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert (found.value, found.n, found.method) == (successes / n, n, "wilson")
    assert found.low == pytest.approx(low, abs=1e-4) and found.high == pytest.approx(high, abs=1e-4)


def test_nothing_measured_is_no_figure() -> None:
    for measure in (
        lambda: wilson(0, 0),
        lambda: bootstrap_mean([]),
        lambda: bootstrap_ratio([1.0], [0.0]),
    ):
        with pytest.raises(ValueError, match="nothing was measured"):
            measure()


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    drawn = random.Random(5)
    samples = [[drawn.expovariate(1.0) for _ in range(60)] for _ in range(60)]
    covered = [one.low <= 1.0 <= one.high for one in map(bootstrap_mean, samples)]
    assert 0.85 <= sum(covered) / len(covered) <= 1.0


def test_a_loss_weighs_its_tokens_and_equal_scores_give_equal_intervals() -> None:
    found = bootstrap_ratio([2.0, 30.0], [1.0, 10.0])
    assert found.value == pytest.approx(32 / 11)
    assert found.low == pytest.approx(2.0) and found.high == pytest.approx(3.0)
    assert found == bootstrap_ratio([2.0, 30.0], [1.0, 10.0])


def test_a_paired_difference_is_sharper_than_the_two_figures() -> None:
    hard = [float(number) for number in range(40)]
    easier = [value - 0.5 for value in hard]
    found = bootstrap_difference(easier, hard, [1.0] * 40)
    assert found.value == found.low == found.high == -0.5
    assert bootstrap_mean(hard).high - bootstrap_mean(hard).low > 5


def scores() -> Scores:
    found = Scores("held_out", "nats")
    found.samples["base"] = [Sample("a", {"loss": 20.0}, 10), Sample("b", {"loss": 90.0}, 30)]
    found.samples["tuned"] = [Sample("a", {"loss": 10.0}, 10), Sample("b", {"loss": 30.0}, 30)]
    return found


def test_models_are_compared_on_the_same_rows() -> None:
    loss = scores().figures()["metrics"]["loss"]
    assert loss["models"]["base"]["value"] == 2.75 and loss["models"]["tuned"]["value"] == 1.0
    assert loss["models"]["base"]["n"] == 2 and loss["models"]["base"]["n_tokens"] == 40
    difference = loss["differences"]["tuned - base"]
    assert difference["value"] == -1.75 and difference["high"] < 0
    assert not loss["higher_is_better"]


def test_perplexity_follows_the_loss_with_its_interval() -> None:
    metrics = scores().figures()["metrics"]
    for end in ("value", "low", "high"):
        assert metrics["perplexity"]["models"]["base"][end] == pytest.approx(
            math.exp(metrics["loss"]["models"]["base"][end])
        )


def test_a_share_stays_a_share_where_one_model_solves_nothing() -> None:
    found = Scores("task", "about")
    found.samples["base"] = [Sample(str(n), {"score": 0.0}) for n in range(4)]
    found.samples["tuned"] = [Sample(str(n), {"score": 0.25 * n}) for n in range(4)]
    methods = {model: one["method"] for model, one in found.figures()["metrics"]["score"]["models"].items()}
    assert methods == {"base": "bootstrap", "tuned": "bootstrap"}


def test_the_table_has_no_value_without_its_interval_and_samples() -> None:
    lines = table([scores().figures()], ["base", "tuned", "quantised"]).splitlines()
    loss = next(line for line in lines if "| loss |" in line)
    assert "2.75 [" in loss and "| - |" in loss and "| 2 | 95 %, bootstrap |" in loss
