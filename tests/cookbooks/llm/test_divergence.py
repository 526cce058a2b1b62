"""Distances between predictions, as exact as the difference of two 16-bit models asks for."""

import numpy as np
import pytest

from cookbooks.llm.scoring.divergence import NotFinite, diverge
from cookbooks.llm.scoring.engine import Answer, greedy, log_probs

VOCABULARY, ROWS = 5000, 150


def logits(seed: int, spread: float = 4.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((ROWS, VOCABULARY)) * spread).astype(np.float32)


def exact(rows: np.ndarray) -> np.ndarray:
    values = rows.astype(np.longdouble)
    values -= values.max(-1, keepdims=True)
    return values - np.log(np.exp(values).sum(-1, keepdims=True))


@pytest.mark.parametrize("apart", [1e-4, 1e-2, 1.0])
def test_distance_agreement_and_losses_are_exact(apart: float) -> None:
    one = logits(1)
    other = one + logits(2, apart)
    tokens = [int(token) for token in np.random.default_rng(3).integers(0, VOCABULARY, ROWS)]
    found = diverge(one, other, tokens)
    ours, theirs = exact(one), exact(other)
    kl = (np.exp(ours) * (ours - theirs)).sum(-1)
    assert np.abs(found.kl - kl).max() < 1e-7 + 1e-5 * kl.max()
    assert (found.same_top == (one.argmax(-1) == other.argmax(-1))).all()
    picked = np.arange(ROWS - 1), tokens[1:]
    assert np.abs(found.nll_reference + ours[:-1][picked]).max() < 1e-5
    assert np.abs(found.nll + theirs[:-1][picked]).max() < 1e-5
    assert np.abs(log_probs(one[:-1], tokens[1:]) - ours[:-1][picked]).max() < 1e-5


def test_a_model_is_at_no_distance_from_itself() -> None:
    found = diverge(logits(1), logits(1), list(range(ROWS)))
    assert (found.kl == 0).all() and found.same_top.all()


def test_a_vocabulary_that_was_padded_is_compared_without_its_padding() -> None:
    padded = np.pad(logits(1), ((0, 0), (0, 64)))
    assert (diverge(logits(1), padded, list(range(ROWS))).kl < 1e-9).all()


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_what_is_no_number_is_an_error(damage: float) -> None:
    broken = logits(1)
    broken[7, 11] = damage
    with pytest.raises(NotFinite, match="not finite"):
        diverge(logits(1), broken, list(range(ROWS)))


def write(plan: str, most: int = 20, stop: tuple[str, ...] = ()) -> Answer:
    """An answer of a model that writes ``plan`` letter by letter and ends at a dollar sign."""
    given = iter(plan)

    def decode(tokens: object) -> str:
        return "".join(map(chr, tokens))  # type: ignore[call-overload]

    return greedy(lambda tokens: ord(next(given)), lambda token: token == ord("$"), decode, [1], most, stop)


def test_an_answer_ends_with_its_end_token_a_stop_string_or_the_limit() -> None:
    assert write("hello$ more") == Answer("hello", 5, stopped=True)
    assert write("hello$", stop=("ll",)) == Answer("he", 4, stopped=True)
    assert write("hello$", most=3) == Answer("hel", 3, stopped=False)
    assert write("hello$", stop=("",)) == Answer("hello", 5, stopped=True)
    assert write("$") == Answer("", 0, stopped=True)
