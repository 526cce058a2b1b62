"""Checks that every id means the same to two models: only then do they speak of the same tokens."""

from typing import TYPE_CHECKING

from cookbooks.llm.training_loop.process import Refused

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

SHOWN = 3


def refuse_other_tokens(student: "Tokenizer", teacher: "Tokenizer") -> int:
    """Compare the token maps id by id; the number of tokens that both have.

    Equal sizes say nothing: a teacher's distribution over other tokens would be learned without a complaint.

    Raises:
        Refused: naming the first ids that differ, and the remedy.
    """
    ours, theirs = ({i: t for t, i in one.get_vocab().items()} for one in (student, teacher))
    other = [i for i in sorted({*ours, *theirs}) if ours.get(i) != theirs.get(i)]
    if other:
        shown = ", ".join(f"{i} is {ours.get(i)!r} and {theirs.get(i)!r}" for i in other[:SHOWN])
        raise Refused(
            f"distillation by logits: student and teacher have other tokens for {len(other)} of"
            f" {len({*ours, *theirs})} ids (id {shown}). Use a teacher with the student's tokenizer, or"
            " distil by sequence, which needs no tokens in common"
        )
    return max(ours) + 1
