"""A tokenizer and its chat template: rendering conversations, and where tokens lie in the text."""

import bisect
import datetime
import functools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
TODAY = datetime.datetime(2024, 7, 26)
"""What a template that writes the date is told: the same bytes on every day."""

DATE = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
Message = Mapping[str, str]


class MaskError(ValueError):
    """What is to be learned cannot be told exactly; the message says what is wrong and the remedy."""


def load_tokenizer(model: Path) -> "Tokenizer":
    """The tokenizer of a model directory, from its own files only.

    Raises:
        MaskError: it has none that can be loaded.
    """
    for name in OFFLINE:
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise MaskError(
            f"{model.name}: the tokenizer cannot be loaded: {error}. Save it beside the model with"
            " save_pretrained, so that tokenizer.json is there"
        ) from error


def render(tokenizer: "Tokenizer", messages: Sequence[Message], *, prompt: bool = False) -> str:
    """The conversation as text, with the prompt that generation starts from if asked for.

    Raises:
        MaskError: there is no chat template, or it refuses the conversation or leaves out what users say.
    """
    text = apply_template(tokenizer, messages, tokenize=False, add_generation_prompt=prompt)
    for index, message in enumerate(messages):
        if message["role"] == "user" and message["content"].strip() not in text:
            raise MaskError(
                f"the model's chat template leaves out what message {index} says: it is not for text"
            )
    return text


def apply_template(tokenizer: "Tokenizer", messages: Sequence[Message], **options: Any) -> Any:
    """What the tokenizer makes of a conversation with `template_of`.

    Raises:
        MaskError: there is no chat template, or it refuses the conversation.
    """
    import jinja2

    plain, template = [dict(message) for message in messages], template_of(tokenizer)
    try:
        return tokenizer.apply_chat_template(plain, chat_template=template, **options)
    except (jinja2.TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
        raise MaskError(f"the model's chat template refuses the conversation: {error}") from error


@functools.lru_cache(maxsize=8)
def template_of(tokenizer: "Tokenizer") -> str:
    """The chat template, in which any date that it would write is `TODAY`.

    Raises:
        MaskError: there is none.
    """
    if not tokenizer.chat_template:
        raise MaskError(
            "the model has no chat template, so a conversation cannot be rendered: use an instruct model, add"
            " chat_template.jinja to its directory, or give the rows as plain text"
        )
    template = tokenizer.get_chat_template()
    return DATE.sub(lambda found: repr(TODAY.strftime(found[2])), template)


def control_tokens(tokenizer: "Tokenizer") -> set[str]:
    """The tokens that steer a model and never stand for text."""
    added = tokenizer.added_tokens_decoder.values()
    return {*tokenizer.all_special_tokens, *(str(token) for token in added if token.special)}


@functools.lru_cache(maxsize=8)
def control_pattern(tokenizer: "Tokenizer") -> re.Pattern[str]:
    """Finds control tokens in a text."""
    return _any_of(control_tokens(tokenizer))


@functools.lru_cache(maxsize=8)
def added_pattern(tokenizer: "Tokenizer") -> re.Pattern[str]:
    """Finds tokens that are cut out of a text before all others, control tokens or not."""
    return _any_of({*tokenizer.all_special_tokens, *map(str, tokenizer.added_tokens_decoder.values())})


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) or "(?!)")


def is_added(tokenizer: "Tokenizer", token: int) -> bool:
    """True for a token that `added_pattern` finds."""
    return token in tokenizer.added_tokens_decoder or token in tokenizer.all_special_ids


class Tokens(NamedTuple):
    """The tokens of a text, and at which character each begins and ends."""

    text: str
    ids: list[int]
    starts: list[int]
    ends: list[int]

    def at(self, character: int) -> int:
        """The first token that begins at a character or after it."""
        return bisect.bisect_left(self.starts, character)


def tokens_of(tokenizer: "Tokenizer", text: str) -> Tokens:
    """Tokenise a rendered conversation: nothing is added to it.

    Raises:
        MaskError: the tokenizer does not say where its tokens lie.
    """
    if not tokenizer.is_fast:
        raise MaskError(
            f"{type(tokenizer).__name__} does not say where its tokens lie in a text: save the tokenizer"
            " with a tokenizer.json"
        )
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets: Any = found["offset_mapping"]
    return Tokens(
        text, list(found["input_ids"]), [start for start, _ in offsets], [end for _, end in offsets]
    )


def prompt_length(tokenizer: "Tokenizer", tokens: Tokens, character: int) -> int:
    """How many tokens the text up to a character has, if it has the same ones without what follows it.

    Raises:
        MaskError: it has others, so a model would be trained on a prompt that it is never given.
    """
    text, first = tokens.text, tokens.at(character)
    if first == 0 or tokens.ends[first - 1] <= character:
        # text on both sides of an added token is cut apart: mostly it is enough to look at the last piece
        begins = [0, *(match.start() for match in added_pattern(tokenizer).finditer(text, 0, character))]
        for begin in (begins[-1], 0):
            if _ids(tokenizer, text[begin:character]) == tuple(tokens.ids[tokens.at(begin) : first]):
                return first
    raise MaskError(
        f"the prompt that generation starts from, {text[max(0, character - 20) : character]!r}, is cut into"
        f" other tokens when {text[character : character + 20]!r} follows: end the generation prompt of the"
        " chat template where a token ends"
    )


@functools.lru_cache(maxsize=4096)
def _ids(tokenizer: "Tokenizer", text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
