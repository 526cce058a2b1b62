"""Real trainings in a second: a two-layer model over single bytes, a few dialogues, payloads in process."""

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blut_resources.payload_kit.session import PayloadSession
from cookbooks.llm.payload import distill_train, dpo_train, sft_train
from cookbooks.llm.training_loop.process import prepare_process
from cookbooks.llm.training_loop.resume import SEAL, checkpoints, newest_complete

with pytest.MonkeyPatch.context() as patch:  # which GPUs there are is for other tests to say
    patch.setenv("CUDA_VISIBLE_DEVICES", "")
    prepare_process(1)
if sys.modules["wandb"] is None:  # other tests of this process track with it
    del sys.modules["wandb"]

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRAIN: dict[str, Callable[[PayloadSession], dict[str, Any]]] = {
    "sft": sft_train.train,
    "dpo": dpo_train.train,
    "distill": distill_train.train,
}
CONFIG: dict[str, Any] = {
    **{"method": "lora", "epochs": 2, "max_steps": None, "lr": 1e-2, "batch_size": 2, "grad_accum": 1},
    **{"seq_len": 256, "rank": 4, "alpha": 8, "dropout": 0.1, "seed": 7, "device": "cpu", "dtype": "auto"},
    **{"attention": "auto", "threads": 1, "save_steps": None, "resume": "auto"},
}
DPO = {"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0}
DISTILL = {
    **{"distillation": "logit", "kl_weight": 0.5, "temperature": 1.0, "max_new_tokens": 32},
    **{"teacher_temperature": 0.0, "teacher_batch_size": 4},
}


def tiny_model(folder: Path, *, seed: int = 0, words: tuple[str, ...] = ()) -> Path:
    """A Llama of 0.1 million random weights whose tokens are bytes; ``words`` change places among them."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    for one, other in zip(words[::2], words[1::2], strict=True):
        here, there = tokens.index(one), tokens.index(other)
        tokens[here], tokens[there] = other, one
    plain = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token=special[1], eos_token=special[2], unk_token=special[0]
    )
    tokenizer.chat_template = CHATML
    config = LlamaConfig(
        **{"vocab_size": len(tokens), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512},
        **{"tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None},
        architectures=["LlamaForCausalLM"],
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("---\nmodel_name: tiny\nlicense: mit\n---\n\n# tiny\n")
    return folder


def dialogues(count: int) -> list[dict[str, Any]]:
    """Short questions and answers."""
    draw = random.Random(3)
    words = ["sun", "moon", "tree", "river", "stone", "bird", "cloud", "lamp"]

    def one(index: int) -> dict[str, Any]:
        asked, said = draw.choices(words, k=draw.randint(1, 3)), draw.choices(words, k=2)
        messages = [
            {"role": "user", "content": f"What is {' '.join(asked)}?"},
            {"role": "assistant", "content": f"A {' '.join(said)}."},
        ]
        return {"id": str(index), "messages": messages}

    return [one(index) for index in range(count)]


def pairs(count: int) -> list[dict[str, Any]]:
    """Preference pairs."""
    return [
        {
            "id": row["id"],
            "prompt": row["messages"][:1],
            "chosen": row["messages"][1:],
            "rejected": [{"role": "assistant", "content": f"No {index}."}],
        }
        for index, row in enumerate(dialogues(count))
    ]


def split(folder: Path, rows: list[dict[str, Any]], n_eval: int = 2) -> Path:
    """A split directory whose last rows are held out."""
    folder.mkdir(parents=True, exist_ok=True)
    cut = len(rows) - n_eval
    for name, part in (("train", rows[:cut]), ("eval", rows[cut:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return folder


class _Enough(Exception):
    pass


def _enough(event: dict[str, Any]) -> None:
    if event["event"] == "step":
        raise _Enough


class Training:
    """One training in directories of its own; run it as often as you like."""

    def __init__(self, root: Path, kind: str, inputs: dict[str, Path], **config: Any) -> None:
        more = {"dpo": DPO, "distill": DISTILL}.get(kind, {})
        self.kind, self.inputs = kind, inputs
        self.config = {**CONFIG, **more, **config}
        self.out, self.work = root / "out", root / "work"
        self.events: list[dict[str, Any]] = []
        for path in (self.out, self.work):
            path.mkdir(parents=True, exist_ok=True)

    def session(self, on_event: Callable[[dict[str, Any]], object] = lambda _: None) -> PayloadSession:
        """What the payload gets."""
        self.events = []

        def send(event: dict[str, Any]) -> None:
            self.events.append(event)
            on_event(event)

        config = json.loads(json.dumps(self.config))
        return PayloadSession(config, self.inputs, self.out, self.work, "fingerprint", send)

    def run(self, on_event: Callable[[dict[str, Any]], object] = lambda _: None) -> dict[str, Any]:
        """Train in this process; the facts."""
        return TRAIN[self.kind](self.session(on_event))

    def killed_at(self, step: int) -> None:
        """Train in a forked process that dies right after it has reported a step."""

        def die(event: dict[str, Any]) -> None:
            if event.get("step") == step:
                os.kill(os.getpid(), signal.SIGKILL)

        child = multiprocessing.get_context("fork").Process(target=self.run, args=(die,))
        child.start()
        child.join(400)
        if child.is_alive():
            child.kill()
        assert child.exitcode == -signal.SIGKILL and not self.files()

    def first_step(self) -> int:
        """Train for one step; which one it was."""
        with pytest.raises(_Enough):
            self.run(_enough)
        return self.steps()[0]

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint of a step is."""
        return self.work / f"checkpoint-{step}"

    def is_sealed(self, step: int) -> bool:
        """True if that checkpoint is complete."""
        return (self.checkpoint(step) / "complete.json").is_file()

    def files(self) -> dict[str, bytes]:
        """Everything in the result, by relative name."""
        return dict(contents(self.out))

    def epochs(self) -> list[dict[str, float]]:
        """The metrics of the finished epochs that were reported."""
        return [metrics for at, metrics in self.curve() if at >= 1 and float(at).is_integer()]

    def curve(self) -> list[tuple[float, dict[str, float]]]:
        """Every point of the curves, at its epoch or part of one."""
        return [(event["epoch"], event["metrics"]) for event in self.events if event["event"] == "epoch"]

    def steps(self) -> list[int]:
        """The steps that were reported."""
        return [event["step"] for event in self.events if event["event"] == "step"]


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """Relative name and bytes of every file."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path.relative_to(root).as_posix(), path.read_bytes()


def again(training: Training, root: Path, **config: Any) -> Training:
    """The same training elsewhere."""
    return Training(root, training.kind, training.inputs, **{**training.config, **config})


def assert_goes_on_after_a_kill(undisturbed: Training, root: Path, *, at: int, of: int) -> None:
    """Killed after step ``at``, a training goes on from the checkpoint before, ``of``, to the same bytes."""
    killed = again(undisturbed, root)
    killed.killed_at(at)
    assert killed.is_sealed(of)

    facts = killed.run()

    assert facts["resumed_from_step"] == of
    assert killed.steps()[0] == of + 1, "steps that were done are not done again"
    assert killed.files() == undisturbed.files()


def making_of(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint was made from."""
    return json.loads((checkpoint / SEAL).read_text())["making"]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "one bit flipped": lambda path: path.write_bytes(
        path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
    ),
}


def assert_every_file_is_needed(undisturbed: Training, scratch: Path) -> None:
    """Whatever is damaged in the newest checkpoint, however: it is named, and the one before is taken."""
    shutil.copytree(undisturbed.work, scratch, dirs_exist_ok=True)
    (_, whole), (_, before) = checkpoints(scratch)
    making = making_of(whole)
    names = [path.name for path in whole.iterdir()]
    assert {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", SEAL} < {*names}
    for name, (damage, spoil) in itertools.product(names, DAMAGE.items()):
        said: list[str] = []
        content = (whole / name).read_bytes()
        spoil(whole / name)
        found = newest_complete(scratch, making, said.append)
        (whole / name).write_bytes(content)
        assert found == before, (name, damage)
        (why,) = said
        expected = "it was not finished" if (name, damage) == (SEAL, "missing") else name
        assert whole.name in why and expected in why, (name, damage, why)
    assert newest_complete(scratch, making, print) == whole
