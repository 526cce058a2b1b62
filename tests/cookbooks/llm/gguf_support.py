"""The llama.cpp kit, small models with a real tokenizer, and payloads as processes."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

from cookbooks.llm.llama.kit import REMEDY, Kit, ensure_kit, find_kit, missing_tools
from tests.conftest import REPOSITORY
from tests.cookbooks.llm.forked import run_forked
from tests.cookbooks.llm.rows_support import ask, smollm2, write_rows
from tests.lacking import lacking

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
QUESTIONS = ("What is the capital of {}?", "Where is {}?", "Tell me about {}.", "Who lives in {}?")
PLACES = ("France", "Peru", "the sea", "Oslo", "my house", "Rome", "a forest", "Japan")
CONVERT: dict[str, Any] = {
    **{"quant": "F16", "name": "Small Test", "importance": False, "calibration_tokens": 512},
    **{"threads": 1, "device": "cpu"},
    "base": {"name": "small", "digest": "b3:base"},
    "data": {"name": "training data", "digest": "b3:data"},
}
VERIFY: dict[str, Any] = {
    **{"n_tokens": 600, "context": 128, "threads": 1, "device": "cpu"},
    **{"max_kl": 0.1, "min_top1": 0.8, "max_perplexity_ratio": 1.2},
}


@functools.cache
def kit() -> Kit:
    """The kit, built if need be; a machine that cannot build it skips the test aloud."""
    found = find_kit()
    if found is None and (missing := missing_tools()):
        lacking(f"llama.cpp is not built, and {' and '.join(missing)} is missing: {REMEDY}")
    return found or ensure_kit()


def small_model(folder: Path, *, seed: int = 0, spread: float = 0.12, **more: Any) -> Path:
    """A Llama of 13 million random weights, wide enough for K-quants, with SmolLM2's tokenizer.

    ``spread`` of the weights makes it sure of its predictions, so that rounding them shows.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = {
        **{"vocab_size": 49152, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024},
        **{"tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2},
    }
    options = {**shape, "initializer_range": spread, "architectures": ["LlamaForCausalLM"], **more}
    config = LlamaConfig(**options)
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in TOKENIZER:
        shutil.copyfile(smollm2() / name, folder / name)
    (folder / "README.md").write_text("---\nmodel_name: small\nlicense: mit\n---\n\n# small\n")
    return folder


def small_adapter(base: Path, folder: Path, *, seed: int = 1, strength: float = 0.02, **more: Any) -> Path:
    """A LoRA of random weights for a model, as a training would leave it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    options = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **more}
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**options))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=strength)
    model.save_pretrained(folder / "adapter")
    (folder / "trainer.json").write_text(json.dumps({"kind": "sft"}))
    return folder


def small_split(folder: Path) -> Path:
    """Questions and answers: 24 to train on, 8 held out."""
    rows = [
        ask(
            question.format(place), f"I only know that {place} is far away, number {number}.", id=f"q{number}"
        )
        for number, (question, place) in enumerate((q, p) for q in QUESTIONS for p in PLACES)
    ]
    write_rows(folder / "train.jsonl", rows[8:])
    write_rows(folder / "eval.jsonl", rows[:8])
    return folder


def run_payload(
    module: str, config: dict[str, Any], out: Path, **inputs: Path
) -> tuple[int, dict[str, Any], str]:
    """Run a payload of the cookbook: its status, the facts it ended with, and what it said."""
    work = out.parent / f"{out.name}-work"
    out.mkdir(parents=True, exist_ok=True)
    content = {
        **{"schema": 1, "fingerprint": "test", "config": config, "out": str(out), "work": str(work)},
        "inputs": {name: str(path) for name, path in inputs.items()},
    }
    path = out.parent / f"{out.name}.json"
    path.write_text(json.dumps(content))
    result = run_forked(f"cookbooks.llm.payload.{module}", ["--config", str(path)], REPOSITORY)
    events = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    facts = events[-1]["facts"] if events and events[-1]["event"] == "done" else {}
    return result.returncode, facts, result.stderr


def made(module: str, config: dict[str, Any], out: Path, **inputs: Path) -> dict[str, Any]:
    """The facts of a payload that must succeed."""
    status, facts, said = run_payload(module, config, out, **inputs)
    assert status == 0, said
    return facts


def refused(module: str, config: dict[str, Any], out: Path, **inputs: Path) -> str:
    """The last line of a payload that must refuse, without a stack trace and without a result."""
    status, _, said = run_payload(module, config, out, **inputs)
    assert status != 0 and "Traceback" not in said, said
    assert list(out.iterdir()) == []
    return said.strip().splitlines()[-1]
