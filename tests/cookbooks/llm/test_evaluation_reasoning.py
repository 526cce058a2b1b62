"""Puzzles of reasoning-gym, which may not be installed: then they are refused."""

import importlib.util

import pytest

from cookbooks.llm.evaluation.reasoning import ReasoningError, ReasoningTask

INSTALLED = importlib.util.find_spec("reasoning_gym") is not None


@pytest.mark.skipif(INSTALLED, reason="reasoning-gym is installed")
def test_a_missing_scorer_is_refused_with_the_remedy() -> None:
    with pytest.raises(ReasoningError, match="pip install reasoning-gym"):
        ReasoningTask("chain_sum:5", seed=1)


def test_puzzles_are_drawn_by_the_seed_and_scored_by_their_own_checker() -> None:
    pytest.importorskip("reasoning_gym", reason="optional: pip install reasoning-gym")
    task = ReasoningTask("chain_sum:5", seed=1)
    puzzles = task.puzzles()
    assert len(puzzles) == 5
    assert [one.messages for one in puzzles] == [
        one.messages for one in ReasoningTask("chain_sum:5", seed=1).puzzles()
    ]
    assert puzzles[0].messages != ReasoningTask("chain_sum:5", seed=2).puzzles()[0].messages
    right = puzzles[0].entry["answer"]
    assert task.score(right, puzzles[0]) == 1.0
    assert task.score(f"Let me see. <answer> {right} </answer>", puzzles[0]) == 1.0
    assert task.score("I do not know", puzzles[0]) < 1.0


@pytest.mark.parametrize("name", ["no_such_task", "chain_sum:many", "chain_sum:0"])
def test_an_unknown_task_or_size_is_refused_by_name(name: str) -> None:
    pytest.importorskip("reasoning_gym", reason="optional: pip install reasoning-gym")
    with pytest.raises(ReasoningError, match=name.partition(":")[0]):
        ReasoningTask(name, seed=1)
