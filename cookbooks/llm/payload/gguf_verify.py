"""Load a GGUF in llama.cpp and compare it with the model that it was made of.

Inputs: ``gguf`` (a directory with ``model.gguf.part``, and ``adapter.gguf`` if there is one), ``model``, the
Hugging Face directory that it must agree with, and ``split``, whose held-out side it is compared on. Config:
``n_tokens``, ``context``, ``threads``, ``device``, and the floors ``max_kl``, ``min_top1``,
``max_perplexity_ratio``. Writes ``fidelity.json``, and then moves the file beside it under its real name.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from blut_resources.payload_kit.pinned import BuildError
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.evaluation.intervals import Estimate, bootstrap_ratio
from cookbooks.llm.llama.fidelity import ANSWER_TOKENS, FILE, SCHEMA, floors_missed
from cookbooks.llm.llama.library import LlamaError, kit_of
from cookbooks.llm.llama.tokens import compare_tokenizers
from cookbooks.llm.payload.gguf_convert import ADAPTER, PART
from cookbooks.llm.payload.gguf_preflight import TEXTS
from cookbooks.llm.scoring.divergence import Divergence, NotFinite, diverge
from cookbooks.llm.scoring.gguf_engine import GgufEngine
from cookbooks.llm.scoring.held_out import Example, read_file
from cookbooks.llm.training_loop.process import Clock, Refused, explained, prepare_process, say

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
QUESTIONS = 3
SHOWN_EVERY = 8


def compare(reference: Any, engine: GgufEngine, examples: Sequence[Example], n_tokens: int) -> dict[str, Any]:
    """Measure distances on held-out rows, until ``n_tokens`` are reached.

    Raises:
        Refused: there is nothing to compare on.
        NotFinite: a prediction is not a number.
    """
    found: list[Divergence] = []
    for example in examples:
        if sum(len(one.kl) for one in found) >= n_tokens:
            break
        ids = example.ids[: min(reference.context, engine.context)]
        if len(ids) > 1:
            found.append(diverge(reference.logits(ids), engine.logits(ids), ids))
    if not found:
        raise Refused("the held-out side of the split has no row of two tokens: nothing to compare on")
    return figures(found)


def figures(found: Sequence[Divergence]) -> dict[str, Any]:
    """Returns means over all tokens, each with an interval over rows: a row's tokens are not independent."""
    kl, kl_interval = _mean([one.kl for one in found])
    top, top_interval = _mean([one.same_top for one in found])
    nll, nll_interval = _mean([one.nll for one in found])
    reference, _ = _mean([one.nll_reference for one in found])
    every = np.concatenate([one.kl for one in found])
    return {
        "n_rows": len(found),
        "n_tokens": len(every),
        "kl": kl,
        "kl_interval": kl_interval,
        "kl_p99": round(float(np.quantile(every, 0.99)), 8),
        "kl_max": round(float(every.max()), 8),
        "top1_agreement": top,
        "top1_interval": top_interval,
        "loss": nll,
        "loss_interval": nll_interval,
        "loss_reference": reference,
        "perplexity": perplexity(nll),
        "perplexity_reference": perplexity(reference),
        "intervals": "95 %, bootstrap over rows",
    }


def perplexity(loss: float) -> float:
    """Returns the perplexity of a loss in nats per token.

    Raises:
        NotFinite: it is too large for a number, so nothing was learned at all.
    """
    try:
        return round(math.exp(loss), 6)
    except OverflowError as error:
        raise NotFinite(f"a loss of {loss:.4g} nats per token is too large for a perplexity") from error


def _mean(parts: Sequence[Any]) -> tuple[float, list[float]]:
    estimate: Estimate = bootstrap_ratio([float(part.sum()) for part in parts], [len(part) for part in parts])
    return round(estimate.value, 8), [round(estimate.low, 8), round(estimate.high, 8)]


def tokens_differ(engine: GgufEngine, tokenizer: Any, examples: Sequence[Example]) -> str:
    """Returns the first text that the two cut otherwise, in words; empty if there is none."""
    texts = [tokenizer.decode(example.ids) for example in examples]
    try:
        compare_tokenizers(engine, tokenizer, (*TEXTS, *texts))
    except LlamaError as error:
        return str(error)
    return ""


def talk(reference: Any, engine: GgufEngine, examples: Sequence[Example]) -> dict[str, Any]:
    """Ask both the same questions, each by its own template, until both end an answer.

    One of the first held-out questions is enough: rounding may make a small model ramble on one of them, a
    lost end token does on all.
    """
    if engine.chat_template() is None:
        return {"template_equal": None, "answers": [], "answer_stops": True, "reference_stops": False}
    asked = [one.prompt for one in examples if _is_short(one, engine.context)][:QUESTIONS]
    answers: list[dict[str, Any]] = []
    for question in [*asked, QUESTION][:QUESTIONS]:
        answers.append(_ask(reference, engine, question))
        if answers[-1]["stops"] and answers[-1]["reference_stops"]:
            break
    comparable = [one for one in answers if one["reference_stops"]]
    return {
        "template_equal": all(one["template_equal"] for one in answers),
        "answers": answers,
        "reference_stops": bool(comparable),
        "answer_stops": any(one["stops"] for one in comparable or answers),
    }


def _is_short(example: Example, context: int) -> bool:
    return bool(example.prompt) and len(example.ids) + ANSWER_TOKENS <= context


def _ask(reference: Any, engine: GgufEngine, question: list[dict[str, str]]) -> dict[str, Any]:
    ours, theirs = reference.prompt(question), engine.prompt(question)
    expected = reference.answer(reference.encode(ours), most=ANSWER_TOKENS)
    got = engine.answer(engine.encode(theirs), most=ANSWER_TOKENS)
    return {
        "question": question[-1]["content"],
        "answer": got.text,
        "reference_answer": expected.text,
        "stops": got.stopped,
        "reference_stops": expected.stopped,
        "template_equal": ours == theirs,
    }


def verify(session: PayloadSession) -> dict[str, Any]:
    """Compare, and write the report.

    Raises:
        Refused, LlamaError, NotFinite: the comparison cannot be made.
    """
    from cookbooks.llm.scoring.hf_engine import HfEngine

    config, folder = session.config, session.inputs["gguf"]
    kit = kit_of(session)
    adapter = folder / ADAPTER if (folder / ADAPTER).is_file() else None
    options = {"context": config["context"], "threads": config["threads"], "adapter": adapter}
    clock = Clock()
    with (
        HfEngine(session.inputs["model"], context=config["context"], device=config["device"]) as reference,
        GgufEngine(folder / PART, kit, **options) as engine,
    ):
        say(f"both loaded in {clock.seconds:.1f} s")
        examples = read_file(
            reference.tokenizer, session.inputs["split"] / "eval.jsonl", most=config["n_tokens"]
        )
        different = tokens_differ(engine, reference.tokenizer, examples)
        found: dict[str, Any] = {"tokenizer_equal": not different, "tokenizer_difference": different}
        found |= compare(reference, engine, list(_reported(session, examples)), config["n_tokens"])
        found |= talk(reference, engine, examples)
    floors = {name: config[name] for name in ("max_kl", "min_top1", "max_perplexity_ratio")}
    missed = floors_missed(found, floors)
    report = {"schema": SCHEMA, **found, "floors": floors, "missed": missed, "faithful": not missed}
    say(f"compared in {clock.seconds:.1f} s, {clock.cpu_seconds:.1f} s of CPU")
    write_atomic(session.out / FILE, _json(report))
    for path in filter(None, (adapter, folder / PART)):
        shutil.move(path, session.out / path.name.removesuffix(".part"))
    return report


def _reported(session: PayloadSession, examples: Sequence[Example]) -> Iterator[Example]:
    for number, example in enumerate(examples, 1):
        if number % SHOWN_EVERY == 0:
            session.step(number, of=len(examples))
        yield example


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def main() -> None:
    """Verify what the config names."""
    with payload_session() as session:
        prepare_process(session.config)
        with explained(BuildError, LlamaError, NotFinite):
            session.done(**verify(session))


if __name__ == "__main__":
    main()
