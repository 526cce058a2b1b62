"""Asks a GGUF file in llama.cpp: tokens, logits, greedy text. Nothing of its Hugging Face side is used."""

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from cookbooks.llm.chat.template import DATE
from cookbooks.llm.llama.kit import Kit
from cookbooks.llm.llama.library import LOG, LlamaError, load
from cookbooks.llm.models.directory import TODAY
from cookbooks.llm.scoring.engine import Answer, Logits, greedy

PIECE_BYTES = 256


class GgufEngine:
    """Holds a loaded GGUF model. Close it, or use it as a context manager: its memory is not Python's."""

    kind = "gguf"

    def __init__(
        self,
        path: Path,
        kit: Kit,
        *,
        context: int = 2048,
        threads: int = 1,
        adapter: Path | None = None,
        vocabulary_only: bool = False,
    ) -> None:
        """Load a model.

        Args:
            context: tokens that a call may hold, prompt and answer together.
            adapter: a LoRA in GGUF that is applied to it.
            vocabulary_only: leave the weights out; then only tokens and metadata can be asked for.

        Raises:
            LlamaError: llama.cpp cannot load one of the files, or not with that context.
        """
        self.path, self.context = path, context
        self._lib = load(kit)
        self._model = self._ctx = self._adapter = None
        self._pieces: dict[int, bytes] = {}
        LOG.clear()
        try:
            self._open_model(vocabulary_only)
            if not vocabulary_only:
                self._open_context(context, threads, adapter)
        except BaseException:
            self.close()
            raise

    def _open_model(self, vocabulary_only: bool) -> None:
        lib = self._lib
        params = lib.llama_model_default_params()
        params.vocab_only = vocabulary_only
        model = lib.llama_model_load_from_file(str(self.path).encode(), params)
        self._model = self._given(model, self.path)
        self._vocab = lib.llama_model_get_vocab(self._model)
        self.n_vocab = lib.llama_vocab_n_tokens(self._vocab)

    def _open_context(self, context: int, threads: int, adapter: Path | None) -> None:
        lib = self._lib
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        self._ctx = self._given(lib.llama_init_from_model(self._model, params), self.path)
        if adapter is not None:
            self._adapter = self._given(
                lib.llama_adapter_lora_init(self._model, str(adapter).encode()), adapter
            )
            scale = (ctypes.c_float * 1)(1.0)
            adapters = (lib.llama_adapter_lora_p_ctypes * 1)(self._adapter)
            if lib.llama_set_adapters_lora(self._ctx, adapters, 1, scale) != 0:
                raise LlamaError(f"{adapter}: llama.cpp cannot apply it: {LOG.complaint()}")

    def _given(self, pointer: Any, path: Path) -> Any:
        if not pointer:
            raise LlamaError(f"{path}: llama.cpp cannot load it: {LOG.complaint()}")
        return pointer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model; more than once is fine."""
        if self._adapter:
            self._lib.llama_adapter_lora_free(self._adapter)
        if self._ctx:
            self._lib.llama_free(self._ctx)
        if self._model:
            self._lib.llama_model_free(self._model)
        self._model = self._ctx = self._adapter = None

    def metadata(self) -> dict[str, str]:
        """Returns the file's metadata as llama.cpp shows it, arrays left out."""
        lib, found, size = self._lib, {}, 1 << 20
        buffer = ctypes.create_string_buffer(size)
        for index in range(lib.llama_model_meta_count(self._model)):
            lib.llama_model_meta_key_by_index(self._model, index, buffer, size)
            key = buffer.value.decode("utf-8", "replace")
            lib.llama_model_meta_val_str_by_index(self._model, index, buffer, size)
            found[key] = buffer.value.decode("utf-8", "replace")
        return found

    def chat_template(self) -> str | None:
        """Returns the template in the file; None without one."""
        found = self._lib.llama_model_chat_template(self._model, None)
        return found.decode("utf-8", "replace") if found else None

    def special(self) -> dict[str, str]:
        """Returns names and text of the tokens that a chat template may use."""
        lib = self._lib
        ids = {"bos_token": lib.llama_vocab_bos(self._vocab), "eos_token": lib.llama_vocab_eos(self._vocab)}
        return {name: self._piece(token).decode() for name, token in ids.items() if token >= 0}

    def prompt(self, messages: Sequence[dict[str, str]]) -> str:
        """Returns a conversation rendered by the file's own template, ready for the answer.

        Raises:
            LlamaError: the file has no chat template.
        """
        from transformers.utils import chat_template_utils

        template = self.chat_template()
        if template is None:
            raise LlamaError(f"{self.path}: holds no chat template, so nobody can chat with it")
        template = DATE.sub(lambda found: repr(TODAY.strftime(found[2])), template)
        render: Any = chat_template_utils.render_jinja_template
        rendered, _ = render(
            [list(messages)], chat_template=template, add_generation_prompt=True, **self.special()
        )
        return rendered[0]

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text in which control tokens are read as such;
        none is added at either end.
        """
        data, lib = text.encode(), self._lib
        room = len(data) + 8
        while True:
            tokens = (lib.llama_token * room)()
            n = lib.llama_tokenize(self._vocab, data, len(data), tokens, room, False, True)
            if n >= 0:
                return list(tokens[:n])
            room = -n

    @property
    def begins_with(self) -> list[int]:
        """Returns what llama.cpp itself puts before every text: the begin token, or nothing."""
        adds = self._lib.llama_vocab_get_add_bos(self._vocab)
        return [self._lib.llama_vocab_bos(self._vocab)] if adds else []

    @property
    def ends_with(self) -> int | None:
        """Returns the token that ends an answer."""
        token = self._lib.llama_vocab_eos(self._vocab)
        return token if token >= 0 else None

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns the text of tokens; control tokens are shown."""
        return b"".join(map(self._piece, tokens)).decode("utf-8", "replace")

    def _piece(self, token: int) -> bytes:
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(PIECE_BYTES)
            n = self._lib.llama_token_to_piece(self._vocab, token, buffer, PIECE_BYTES, 0, True)
            if n < 0:
                buffer = ctypes.create_string_buffer(-n)
                n = self._lib.llama_token_to_piece(self._vocab, token, buffer, -n, 0, True)
            self._pieces[token] = buffer.raw[:n]
        return self._pieces[token]

    def logits(self, tokens: Sequence[int]) -> Logits:
        """Returns the next-token logits after each token, [len(tokens), vocabulary], of a fresh context.

        Raises:
            LlamaError: more tokens than the context holds, or the evaluation failed.
        """
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._ctx), True)
        return self._evaluate(tokens, 0, every=True)

    def _evaluate(self, tokens: Sequence[int], start: int, *, every: bool) -> Logits:
        n = len(tokens)
        if not 0 < n <= self.context - start:
            raise LlamaError(f"{self.path}: {start + n} tokens do not fit the context of {self.context}")
        with self._batch(tokens, start, every) as batch:
            status = self._lib.llama_decode(self._ctx, batch)
        if status != 0:
            raise LlamaError(f"{self.path}: llama.cpp cannot evaluate (status {status}): {LOG.complaint()}")
        rows = n if every else 1
        pointer = self._lib.llama_get_logits(self._ctx)
        return np.ctypeslib.as_array(pointer, shape=(rows, self.n_vocab)).copy()

    @contextlib.contextmanager
    def _batch(self, tokens: Sequence[int], start: int, every: bool) -> Iterator[Any]:
        batch = self._lib.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for index, token in enumerate(tokens):
                batch.token[index] = token
                batch.pos[index] = start + index
                batch.n_seq_id[index] = 1
                batch.seq_id[index][0] = 0
                batch.logits[index] = every or index == len(tokens) - 1
            yield batch
        finally:
            self._lib.llama_batch_free(batch)

    def answer(self, tokens: Sequence[int], *, most: int, stop: Sequence[str] = ()) -> Answer:
        """Returns the greedy continuation, up to ``most`` tokens, an end token,
        or one of the ``stop`` strings.

        Raises:
            LlamaError: the prompt does not fit the context.
        """
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._ctx), True)
        done = 0

        def advance(given: Sequence[int]) -> int:
            nonlocal done
            row = self._evaluate(given, done, every=False)
            done += len(given)
            return int(row[0].argmax())

        def is_end(token: int) -> bool:
            return bool(self._lib.llama_vocab_is_eog(self._vocab, token))

        most = min(most, self.context - len(tokens))
        return greedy(advance, is_end, self.decode, tokens, most, stop)
