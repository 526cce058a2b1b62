"""Renders conversations by a tokenizer's chat template, and finds where tokens lie in the text."""

import bisect
import functools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.models.directory import TODAY, read_json, refuse_own_code

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")

PLAIN = ("TokenizersBackend", "PreTrainedTokenizerFast")
REMEDY = {
    "system": "it has no part for it; say it in the first user message, or use a template that has one",
    "tool": "it has no part for the results of tools; use a template that has one, or leave such rows out",
}
"""What to do about a template that leaves out what a role says."""
DATE = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
Message = Mapping[str, Any]


class MaskError(Refused, ValueError):
    """Says that what is to be learned cannot be told exactly;
    the message says what is wrong and the remedy.
    """


def load_tokenizer(model: Path) -> "Tokenizer":
    """Returns the tokenizer of a model directory, from its own files only.

    Raises:
        MaskError: it has none that can be loaded.
    """
    for name in OFFLINE:
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        refuse_own_code(model)
        if _is_plain(model):
            # what the auto class would find out too, after it has imported torch: seconds for each payload
            from transformers import TokenizersBackend

            return TokenizersBackend.from_pretrained(model, local_files_only=True)
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise MaskError(
            f"{model.name}: the tokenizer cannot be loaded: {error}. Save it beside the model with"
            " save_pretrained, so that tokenizer.json is there"
        ) from error


def _is_plain(model: Path) -> bool:
    """Returns True if the files name the class that reads any ``tokenizer.json``,
    and transformers believes them.

    It does not for some architectures, for which published files name a wrong one.
    """
    path, config = model / "tokenizer_config.json", model / "config.json"
    if not path.is_file() or not (model / "tokenizer.json").is_file():
        return False
    named = read_json(path)
    of = read_json(config).get("model_type") if config.is_file() else None
    return named.get("tokenizer_class") in PLAIN and of in (None, "llama")


def render(tokenizer: "Tokenizer", messages: Sequence[Message], *, prompt: bool = False) -> str:
    """Returns the conversation as text, with the prompt that generation starts from if asked for.

    Raises:
        MaskError: there is no chat template, or it refuses the conversation or leaves out what one says.
    """
    text = apply_template(tokenizer, messages, tokenize=False, add_generation_prompt=prompt)
    _refuse_lost(text, messages)
    return text


def _refuse_lost(text: str, messages: Sequence[Message]) -> None:
    """Refuse a rendering that lacks what a message says: the model would learn from what it cannot see.

    A text is to be there as often as messages have it, for a short one may stand in others. Thoughts, which
    templates drop from earlier answers, do not count.
    """
    said = [message["content"].rpartition("</think>")[2].strip() for message in messages]
    # of several that say the same, the one is named that has a remedy
    for index in sorted(range(len(said)), key=lambda index: messages[index]["role"] not in REMEDY):
        part, role = said[index], messages[index]["role"]
        if not part:
            continue
        if text.count(part) >= sum(one.count(part) for one in said):
            continue
        # some templates write the result of a tool as a string in JSON
        written = {json.dumps(part, ensure_ascii=pure)[1:-1] for pure in (True, False)} - {part}
        if role == "tool" and any(form in text for form in written):
            continue
        remedy = REMEDY.get(role, "it is not for text")
        raise MaskError(f"the model's chat template leaves out what message {index} ({role}) says: {remedy}")


def apply_template(tokenizer: "Tokenizer", messages: Sequence[Message], **options: Any) -> Any:
    """Returns what the tokenizer makes of a conversation with `template_of`.

    Raises:
        MaskError: there is no chat template, or it refuses the conversation.
    """
    import jinja2

    template = template_of(tokenizer)
    plain = [{key: message[key] for key in ("role", "content")} for message in messages]
    try:
        return tokenizer.apply_chat_template(plain, chat_template=template, **options)
    except (jinja2.TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
        raise MaskError(f"the model's chat template refuses the conversation: {error}") from error


@functools.lru_cache(maxsize=8)
def template_of(tokenizer: "Tokenizer") -> str:
    """Returns the chat template, in which any date that it would write is `TODAY`.

    Raises:
        MaskError: there is none.
    """
    if not tokenizer.chat_template:
        raise MaskError(
            "the model has no chat template, so a conversation cannot be rendered: use an instruct model, add"
            " chat_template.jinja to its directory, or give the rows as plain text"
        )
    try:
        template = tokenizer.get_chat_template()
    except ValueError as error:
        raise MaskError(f"the model has several chat templates, and none called default: {error}") from error
    return DATE.sub(lambda found: repr(TODAY.strftime(found[2])), template)


def control_tokens(tokenizer: "Tokenizer") -> set[str]:
    """Returns the tokens that steer a model and never stand for text."""
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
    """Returns True for a token that `added_pattern` finds."""
    return token in tokenizer.added_tokens_decoder or token in tokenizer.all_special_ids


class Tokens(NamedTuple):
    """Holds the tokens of a text, and at which character each begins and ends."""

    text: str
    ids: list[int]
    starts: list[int]
    ends: list[int]

    def at(self, character: int) -> int:
        """Returns the first token that begins at a character or after it."""
        return bisect.bisect_left(self.starts, character)


def tokens_of(tokenizer: "Tokenizer", text: str, prompts: Sequence[int]) -> Tokens:
    """Tokenise a rendered conversation as generation would meet it.

    Args:
        prompts: the characters where a prompt for generation ends. Where the text up to there has other
            tokens without what follows (two line breaks, one of each, may be one token), it is cut there.

    Raises:
        MaskError: it cannot be cut, or the tokenizer does not say where its tokens lie.
    """
    whole = _tokens(tokenizer, text, 0)
    cuts = [character for character in prompts if not _is_clean(tokenizer, whole, character)]
    if not cuts:
        return whole
    bounds = zip([0, *cuts], [*cuts, len(text)], strict=True)
    pieces = [_tokens(tokenizer, text[start:end], start) for start, end in bounds]
    tokens = Tokens(
        text,
        [token for piece in pieces for token in piece.ids],
        [start for piece in pieces for start in piece.starts],
        [end for piece in pieces for end in piece.ends],
    )
    if decoded(tokenizer, tokens.ids) != decoded(tokenizer, whole.ids):
        at = cuts[0]
        raise MaskError(
            f"the prompt that generation starts from, {text[max(0, at - 20) : at]!r}, is cut into other"
            f" tokens when {text[at : at + 20]!r} follows: end the generation prompt of the chat template"
            " where a token ends"
        )
    return tokens


def decoded(tokenizer: "Tokenizer", ids: Sequence[int]) -> str:
    """Returns the text of these tokens, to the letter."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _tokens(tokenizer: "Tokenizer", text: str, offset: int) -> Tokens:
    if not tokenizer.is_fast:
        raise MaskError(
            f"{type(tokenizer).__name__} does not say where its tokens lie in a text: save the tokenizer"
            " with a tokenizer.json"
        )
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    places: Any = found["offset_mapping"]
    starts, ends = ([place[side] + offset for place in places] for side in (0, 1))
    return Tokens(text, list(found["input_ids"]), starts, ends)


def _is_clean(tokenizer: "Tokenizer", tokens: Tokens, character: int) -> bool:
    """Returns True if the text up to a character has the same tokens without what follows it."""
    text, first = tokens.text, tokens.at(character)
    if first and tokens.ends[first - 1] > character:
        return False
    # text on both sides of an added token is cut apart: mostly it is enough to look at the last piece
    begins = [0, *(match.start() for match in added_pattern(tokenizer).finditer(text, 0, character))]
    return any(
        _ids(tokenizer, text[begin:character]) == tuple(tokens.ids[tokens.at(begin) : first])
        for begin in (begins[-1], 0)
    )


@functools.lru_cache(maxsize=4096)
def _ids(tokenizer: "Tokenizer", text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
