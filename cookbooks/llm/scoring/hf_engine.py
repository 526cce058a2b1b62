"""Asks a Hugging Face model directory in transformers, as an `Engine`."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from transformers.utils.logging import disable_progress_bar

from cookbooks.llm.chat.template import load_tokenizer, render
from cookbooks.llm.scoring.engine import Answer, Logits, greedy
from cookbooks.llm.training_loop.loading import load_whole

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class HfEngine:
    """Holds a model directory, loaded for inference."""

    kind = "hf"

    def __init__(
        self, path: Path, *, context: int = 2048, dtype: str = "float32", device: str = "auto"
    ) -> None:
        """Load a model.

        Args:
            context: tokens that a call may hold, prompt and answer together.
            dtype: one of `DTYPES`.
            device: ``auto`` takes CUDA where there is one.
        """
        disable_progress_bar()
        self.path, self.context, self.dtype = path, context, dtype
        self.device = (
            "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
        )
        self.tokenizer: Any = load_tokenizer(path)
        model: Any = load_whole(path, dtype=DTYPES[dtype])
        self.model: Any = model.to(self.device).eval()
        self.n_vocab = int(self.model.get_output_embeddings().weight.shape[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model; more than once is fine."""
        self.model = None
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text in which control tokens are read as such;
        none is added at either end.
        """
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    @property
    def begins_with(self) -> list[int]:
        """Returns the begin token, where the tokenizer adds one to every text."""
        found = list(self.tokenizer("a")["input_ids"])
        return found[:1] if found and found[0] == self.tokenizer.bos_token_id else []

    @property
    def ends_with(self) -> int | None:
        """Returns the token that ends an answer."""
        return self.tokenizer.eos_token_id

    def prompt(self, messages: Sequence[dict[str, str]]) -> str:
        """Returns a conversation rendered by the model's template, ready for the answer."""
        return render(self.tokenizer, messages, prompt=True)

    @torch.inference_mode()
    def logits(self, tokens: Sequence[int]) -> Logits:
        """Returns the next-token logits after each token, [len(tokens), vocabulary]."""
        found = self.model(torch.tensor([list(tokens)], device=self.device)).logits[0]
        return found.float().cpu().numpy()

    @torch.inference_mode()
    def answer(self, tokens: Sequence[int], *, most: int, stop: Sequence[str] = ()) -> Answer:
        """Returns the greedy continuation, up to ``most`` tokens, an end token,
        or one of the ``stop`` strings.
        """
        past = None

        def advance(given: Sequence[int]) -> int:
            nonlocal past
            out = self.model(torch.tensor([list(given)], device=self.device), past_key_values=past)
            past = out.past_key_values
            return int(out.logits[0, -1].argmax())

        most = min(most, self.context - len(tokens))
        return greedy(advance, self._ends().__contains__, self._text, tokens, most, stop)

    def _text(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False)

    def _ends(self) -> set[int]:
        """Returns the tokens that end an answer, as ``generate`` would take them."""
        named = self.model.generation_config.eos_token_id
        ends = set(named) if isinstance(named, list) else {named}
        return {token for token in (*ends, self.tokenizer.eos_token_id) if token is not None}
