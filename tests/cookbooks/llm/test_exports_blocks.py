"""A chat template as blocks says what the template says; what is more than blocks is refused.

Templates of many models are those that TRL ships; transformers renders them.
"""

from pathlib import Path

import pytest
import trl

from cookbooks.llm.chat.template import DATE
from cookbooks.llm.exports.blocks import Blocks, NotBlocks, read_blocks
from cookbooks.llm.models.directory import TODAY
from tests.cookbooks.llm.rows_support import tokenizer_with

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
SYSTEM, FIRST, ANSWER, NEXT = (
    "Be brief & kind.",
    "Is 2 > 1? {{ no }}",
    'Yes: "2".\nAnd 3?',
    "\\n is two letters",
)


def _of(name: str) -> tuple[str, dict[str, str]]:
    return (TEMPLATES / f"{name}.jinja").read_text(), {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.parametrize(
    "name", ["llama3", "llama3_2", "qwen2_5", "qwen3", "qwen3_5_think", "gemma3", "cohere"]
)
@pytest.mark.parametrize("head", [[("system", SYSTEM)], []], ids=["system", "none"])
def test_they_render_as_the_template_does(name: str, head: list[tuple[str, str]]) -> None:
    text, tokens = _of(name)
    tokenizer = tokenizer_with(DATE.sub(lambda found: repr(TODAY.strftime(found[2])), text), **tokens)
    blocks = read_blocks(text, tokens, starts_itself=False)
    if head and not blocks.system:
        assert name == "gemma3", "it puts what the system says into the first message of the user"
        return
    for turns in (1, 3):
        talk = [*head, *[("user", FIRST), ("assistant", ANSWER), ("user", NEXT)][:turns]]
        messages = [{"role": role, "content": words} for role, words in talk]
        wanted = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert blocks.render(talk) == wanted


def test_a_beginning_that_the_engine_writes_is_left_to_it() -> None:
    text, tokens = _of("llama3")
    kept, left = (read_blocks(text, tokens, starts_itself=itself) for itself in (False, True))
    assert isinstance(kept, Blocks)
    assert (kept.start, left.start) == ("<s>", "")
    assert left.system and left.system.before.startswith("<|start_header_id|>system")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ messages[0]['content'] | upper }}", "leaves out what a message says"),
        (
            "{% for m in messages %}{{ loop.revindex }}:{{ m.content }};{% endfor %}",
            "depends on what follows",
        ),
        (
            "{% for m in messages %}{{ loop.index }}:{{ m.content }};{% endfor %}",
            "the first user message otherwise",
        ),
        ("{{ raise_exception('no users here') }}", "cannot be rendered: no users here"),
        ("{% for m in messages %}", "cannot be rendered"),
        (
            "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ '!' if loop.index > 3 }};{% endfor %}",
            "user, assistant, user, assistant, user comes out otherwise",
        ),
    ],
)
def test_what_is_more_than_blocks_is_refused(template: str, why: str) -> None:
    with pytest.raises(NotBlocks) as refused:
        read_blocks(template, {}, starts_itself=False)
    assert why in str(refused.value)
