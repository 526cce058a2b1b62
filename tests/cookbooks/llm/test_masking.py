"""What is learned: the assistant's tokens and the one that ends its turn, whatever the chat template.

Templates of many models are those that TRL ships; they are rendered with SmolLM2's tokenizer, their control
tokens added to it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trl

from cookbooks.llm.chat.masking import (
    IGNORE,
    Encoded,
    Learn,
    Unstable,
    encode_messages,
    encode_pair,
    encode_row,
    encode_text,
)
from cookbooks.llm.chat.preview import marked, preview
from cookbooks.llm.chat.template import MaskError, load_tokenizer, render
from cookbooks.llm.data.formats import Normaliser
from tests.cookbooks.llm.rows_support import CHATML, GREETING, smollm2, tokenizer_with

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
BAR = "\uff5c"  # of DeepSeek's tokens
CONTROL = re.compile(
    rf"<\|[^|<>'\s]+\|>|<{BAR}[^{BAR}<>]+{BAR}>|<(?:start|end)_of_turn>|</s>|<\|turn>|<turn\|>"
)
SYSTEM = [{"role": "system", "content": "Be brief."}, *GREETING]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(smollm2())


def model_template(name: str) -> Any:
    text = (TEMPLATES / f"{name}.jinja").read_text()
    special = {"eos_token": f"<{BAR}end▁of▁sentence{BAR}>"} if name.startswith("deepseek") else {}
    special |= {"eos_token": "<|endoftext|>"} if name.startswith("phi") else {}
    return tokenizer_with(text, set(CONTROL.findall(text)), **special)


def learned(tokenizer: Any, encoded: Encoded) -> list[str]:
    """The learned parts, as text."""
    return re.findall(r"⟦(.*?)⟧", marked(tokenizer, encoded), re.DOTALL)


def test_only_answers_and_their_ends_are_learned(tokenizer: Any) -> None:
    """TRL with default settings trains on what the system and the user say, too."""
    (encoded,) = encode_messages(tokenizer, SYSTEM)
    assert learned(tokenizer, encoded) == ["Hello!<|im_end|>", "See you.<|im_end|>"]
    whole = tokenizer.apply_chat_template(SYSTEM, tokenize=True, return_dict=True)["input_ids"]
    assert encoded.input_ids == whole
    pairs = zip(encoded.input_ids, encoded.labels, strict=True)
    assert all(label in (IGNORE, token) for token, label in pairs)


def test_each_answer_follows_the_very_prompt_of_inference(tokenizer: Any) -> None:
    (encoded,) = encode_messages(tokenizer, GREETING)
    for index, count in ((1, 2), (3, 1)):
        prompt = tokenizer.apply_chat_template(GREETING[:index], add_generation_prompt=True, return_dict=True)
        length = len(prompt["input_ids"])
        assert encoded.input_ids[:length] == prompt["input_ids"]
        assert encoded.labels[length] != IGNORE and encoded.labels[length - 1] == IGNORE
        assert len(learned(tokenizer, Encoded(encoded.input_ids[length:], encoded.labels[length:]))) == count


@pytest.mark.parametrize(
    "name",
    [
        *(
            "cohere",
            "gemma",
            "gemma3",
            "gemma4_v5",
            "lfm2",
            "phi3",
            "phi3_5",
            "qwen2_5",
            "qwen3_instruct_2507",
        ),
        *("qwen3_vl", "qwen2_5_training", "gemma_training", "phi3_training", "muse_glimmer"),
    ],
)
def test_the_templates_of_many_models(name: str) -> None:
    tokenizer = model_template(name)
    (encoded,) = encode_messages(tokenizer, GREETING)
    parts = learned(tokenizer, encoded)
    assert [part.count("Hello!") + 2 * part.count("See you.") for part in parts] == [1, 2]
    assert all(re.search(r"(<\|[^|]+\|>|<end_of_turn>|<turn\|>)\Z", part) for part in parts)
    assert not any(
        said in part for said in ("Hi there", "Bye", "user") for part in parts if name[:4] != "muse"
    )


@pytest.mark.parametrize("name", ["qwen3", "qwen3_5_think", "gptoss"])
def test_a_template_that_changes_earlier_answers_is_refused_with_the_remedy(name: str) -> None:
    """Qwen 3 leaves the thoughts of all but the last answer out: history is no longer what was written."""
    tokenizer = model_template(name)
    with pytest.raises(Unstable, match=r"Set learn: each \(an example for each answer\) or learn: last"):
        encode_messages(tokenizer, GREETING)
    (last,) = encode_messages(tokenizer, GREETING, "last")
    assert [part.count("See you.") for part in learned(tokenizer, last)] == [1]
    both = [learned(tokenizer, one) for one in encode_messages(tokenizer, GREETING, "each")]
    assert [len(parts) for parts in both] == [1, 1]
    assert "Hello!" in both[0][0] and "See you." in both[1][0]


@pytest.mark.parametrize("name", ["deepseek_r1_distill", "deepseekv3", "nemotron_3_nano"])
def test_an_answer_that_the_prompt_for_it_does_not_lead_to_is_refused(name: str) -> None:
    tokenizer = model_template(name)
    for learn in ("all", "last", "each"):
        with pytest.raises(
            Unstable, match="Use a chat template that renders an answer after its own generation"
        ):
            encode_messages(tokenizer, GREETING, learn)


@pytest.mark.parametrize("name", ["deepseekv3_training", "nemotron_3_nano_training", "glm4moe_training"])
def test_marks_of_the_template_decide_where_its_rendering_does_not(name: str) -> None:
    tokenizer = model_template(name)
    (encoded,) = encode_messages(tokenizer, GREETING)
    assert ["Hello!" in part for part in learned(tokenizer, encoded)] == [True, False]
    (last,) = encode_messages(tokenizer, GREETING, "last")
    assert ["See you." in part for part in learned(tokenizer, last)] == [True]


def test_marks_that_leave_out_the_end_are_refused() -> None:
    template = CHATML.replace(
        "{{ '<|im_start|>' + message['role']",
        "{% if loop.last %}{{ '' }}{% else %}{{ ' ' }}{% endif %}{{ '<|im_start|>' + message['role']",
    ).replace(
        "+ message['content'] + '<|im_end|>'",
        "}}{% generation %}{{ message['content'] }}{% endgeneration %}{{ '<|im_end|>'",
    )
    with pytest.raises(
        MaskError, match=r"leave out the token that ends an answer.*Put {% endgeneration %} after"
    ):
        encode_messages(tokenizer_with(template), GREETING)


def test_a_template_without_an_end_of_the_answer_is_refused() -> None:
    """A model trained without it never stops."""
    plain = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    plain += "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
    with pytest.raises(
        MaskError, match=r"no token of its own: a model trained with it never stops. Use a templ"
    ):
        encode_messages(tokenizer_with(plain), GREETING[:2])


def test_a_template_without_a_prompt_for_generation() -> None:
    header = CHATML.replace("{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}", "")
    tokenizer = tokenizer_with(header)
    (encoded,) = encode_messages(tokenizer, GREETING)
    assert learned(tokenizer, encoded) == ["Hello!<|im_end|>", "See you.<|im_end|>"]
    mistral = (
        "{{ bos_token }}{% for m in messages %}"
        "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
        "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
    )
    tokenizer = tokenizer_with(mistral)
    (encoded,) = encode_messages(tokenizer, GREETING)
    assert learned(tokenizer, encoded) == [" Hello!<|im_end|>", " See you.<|im_end|>"]
    assert encoded.input_ids.count(tokenizer.bos_token_id) == 1


def test_a_prompt_that_ends_inside_a_token_is_cut_as_generation_cuts_it() -> None:
    """In the rendered text ``\\n\\n`` or `` Hello`` is one token; generation starts after the first half."""
    blank = CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant: '")
    blank = blank.replace("message['role'] + '\n'", "message['role'] + ': '")
    for template, text in ((blank, "Hello!"), (CHATML, "\n\nHello!")):
        tokenizer = tokenizer_with(template)
        messages = [GREETING[0], {"role": "assistant", "content": text}]
        (encoded,) = encode_messages(tokenizer, messages)
        rendered = render(tokenizer, messages[:1], prompt=True)
        prompt = tokenizer(rendered, add_special_tokens=False)["input_ids"]
        assert encoded.input_ids[: len(prompt)] == prompt
        assert learned(tokenizer, encoded) == [f"{text}<|im_end|>"]


def test_a_tokenizer_that_cannot_be_cut_there_is_refused() -> None:
    """One that puts a blank before each text would learn `` Hello`` where ``Hello`` is to be written."""
    from tokenizers import normalizers

    tokenizer = tokenizer_with(CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n\n'"))
    tokenizer.chat_template = tokenizer.chat_template.replace("['role'] + '\n'", "['role'] + '\n\n'")
    tokenizer.backend_tokenizer.normalizer = normalizers.Prepend("_")
    with pytest.raises(MaskError, match=r"is cut into other tokens when 'Hello!.*where a token ends"):
        encode_messages(tokenizer, GREETING)


def test_a_template_that_leaves_out_text_is_refused() -> None:
    silent = CHATML.replace("message['content']", "(message['content'] if message['role'] != 'user' else '')")
    with pytest.raises(MaskError, match=r"leaves out what message 0 \(user\) says"):
        encode_messages(tokenizer_with(silent), GREETING)
    silent = CHATML.replace("message['content']", "(message['content'] if message['role'] == 'user' else '')")
    with pytest.raises(MaskError, match=r"leaves out what message 1 \(assistant\) says"):
        encode_messages(tokenizer_with(silent), GREETING)


@pytest.mark.parametrize("role", ["system", "tool"])
def test_a_template_without_a_part_for_a_role_is_refused_with_the_remedy(role: str) -> None:
    """Also where what it leaves out stands in another message too."""
    gap = CHATML.replace("{{ '<|im_start|>'", f"{{% if message['role'] != '{role}' %}}{{{{ '<|im_start|>'")
    gap = gap.replace("+ '\n' }}{% endfor %}", "+ '\n' }}{% endif %}{% endfor %}")
    lost, greeting = {"role": role, "content": "Hello!"}, GREETING
    messages = [lost, *greeting] if role == "system" else [*greeting[:2], lost, *greeting[1:]]
    with pytest.raises(
        MaskError, match=rf"\({role}\) says: it has no part for .*use a template that has one"
    ):
        encode_messages(tokenizer_with(gap), messages)
    assert encode_messages(tokenizer_with(CHATML), messages)


def test_the_result_of_a_tool_may_be_written_as_json() -> None:
    written = CHATML.replace("message['content'] +", "(message['content'] | tojson) +")
    messages = [*GREETING[:2], {"role": "tool", "content": 'a "quoted"\nline'}, GREETING[3]]
    assert encode_messages(tokenizer_with(written), messages)


def test_what_the_template_refuses_is_said() -> None:
    gemma = model_template("gemma")
    with pytest.raises(MaskError, match="chat template refuses the conversation: System role not supported"):
        encode_messages(gemma, SYSTEM)


def test_a_model_without_a_template_is_refused() -> None:
    tokenizer = tokenizer_with("")
    with pytest.raises(
        MaskError, match=r"has no chat template.*use an instruct model, add chat_template\.jinja"
    ):
        encode_messages(tokenizer, GREETING)


def test_the_date_of_the_day_does_not_change_the_tokens() -> None:
    dated = "{{ strftime_now('%d %b %Y') }}" + CHATML
    assert render(tokenizer_with(dated), GREETING[:1]).startswith("26 Jul 2024<|im_start|>")


def test_plain_text_is_learned_whole_and_ends(tokenizer: Any) -> None:
    encoded = encode_text(tokenizer, "Once upon a time")
    assert encoded.input_ids[-1] == tokenizer.eos_token_id
    assert learned(tokenizer, encoded) == ["Once upon a time<|im_end|>"]
    assert encode_row(tokenizer, {"text": "Once upon a time"}) == [encoded]


@pytest.mark.parametrize("name", ["smollm2", "glm4moe_training"])
def test_an_answer_of_weight_0_is_read_and_not_learned(tokenizer: Any, name: str) -> None:
    """By the rendering, and by the marks of the template."""
    chosen = tokenizer if name == "smollm2" else model_template(name)
    bad = {"role": "assistant", "content": "Go away!", "weight": 0}
    row = Normaliser()({"messages": [*GREETING[:3], bad, *GREETING[2:]]}, "here")
    (encoded,) = encode_row(chosen, row)
    parts = learned(chosen, encoded)
    assert ["Hello!" in part or "See you." in part for part in parts] == [True, True]
    assert "Go away!" in chosen.decode(encoded.input_ids)
    (*_, last) = encode_row(chosen, {**row, "learn": "each"})
    assert "See you." in learned(chosen, last)[-1]
    (first,) = encode_row(chosen, {"messages": row["messages"][:4], "learn": "last"})
    assert len(learned(chosen, first)) == 1 and "Hello!" in learned(chosen, first)[0]


def test_a_pair_has_one_prompt_and_two_answers_that_end(tokenizer: Any) -> None:
    row = {
        "prompt": GREETING[:3],
        "chosen": [{"role": "assistant", "content": "Goodbye."}],
        "rejected": [{"role": "assistant", "content": "What?"}],
    }
    pair = encode_pair(tokenizer, row)
    prompt = tokenizer.apply_chat_template(GREETING[:3], add_generation_prompt=True, return_dict=True)
    assert pair.prompt_ids == prompt["input_ids"]
    assert tokenizer.decode(pair.chosen_ids) == "Goodbye.<|im_end|>"
    assert tokenizer.decode(pair.rejected_ids) == "What?<|im_end|>"


def odd_contents() -> Iterator[str]:
    yield from (
        "",
        " x",
        "x ",
        "\n\nx\n\n",
        "日本語 🙂",
        "a\u200bb",
        "<think>\nhm\n</think>\n\nx",
        "```py\nx\n```",
    )
    yield from ("user", "assistant\n", "1" * 50, "\t\tx", "é" * 3, "x" * 2000)


@pytest.mark.parametrize("learn", ["all", "last", "each"])
def test_any_text_gives_the_templates_own_tokens(tokenizer: Any, learn: Learn) -> None:
    for text in odd_contents():
        messages = [
            {"role": "user", "content": text or "q"},
            {"role": "assistant", "content": text or "a"},
        ] * 2
        for encoded in encode_messages(tokenizer, messages, learn):
            parts = learned(tokenizer, encoded)
            assert all(part == f"{text or 'a'}<|im_end|>" for part in parts)
            assert len(parts) == (2 if learn == "all" else 1)


def test_the_preview_shows_what_is_learned(tokenizer: Any) -> None:
    long = [GREETING[0], {"role": "assistant", "content": "word " * 1000 + "```end```"}]
    samples = [
        ("line 1", encode_messages(tokenizer, GREETING)[0]),
        ("line 2", encode_messages(tokenizer, long)[0]),
    ]
    text = preview(tokenizer, samples)
    assert "**line 1** (52 tokens, 7 learned)" in text
    assert "<|im_start|>assistant\n⟦Hello!<|im_end|>⟧\n<|im_start|>user" in text
    assert "\n````\n" in text and "characters …]" in text and "```end```<|im_end|>⟧" in text


@pytest.mark.parametrize("name", ["cohere", "gemma", "gemma3", "lfm2", "phi3", "qwen2_5", "qwen3_vl"])
def test_the_same_is_learned_as_by_trls_own_marks(name: str) -> None:
    """TRL ships a copy of these templates with the answers marked: a second opinion, made by hand."""
    stock, marks = model_template(name), model_template(f"{name}_training")
    theirs = marks.apply_chat_template(
        GREETING, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    (ours,) = encode_messages(stock, GREETING)
    assert ours.input_ids == theirs["input_ids"]
    pairs = zip(theirs["input_ids"], theirs["assistant_masks"], strict=True)
    expected = [token if mask else IGNORE for token, mask in pairs]
    differ = [t for t, a, b in zip(ours.input_ids, ours.labels, expected, strict=True) if a != b]
    assert not stock.decode(differ).strip(), "but for blanks after the end of an answer"
