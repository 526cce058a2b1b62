"""What others wrote, made harmless: for a terminal, Markdown, HTML, and the environment of a child."""

import subprocess
import unicodedata
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from blut_resources.text import (
    html,
    lines,
    markdown,
    markdown_cell,
    one_line,
    output,
    text_of,
    variable,
)

HOSTILE = (
    "![x](https:evil?b).jsonl \x1b]52;c;AAAA\x07\x1b[2J\x9b2J <img src=x onerror=1> </td>|x|`y`"
    " [a](http://b)\r\n# https://evil.example www.evil.example a@evil.example\t"
    "\u202e\u2066\u200f\ufeff\u2028\x00\x7f \udcff\ud800"
)


def _obeyed(text: str) -> set[str]:
    """Characters that a terminal obeys or that turn what stands beside them."""
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}


def test_a_terminal_obeys_nothing_of_a_name() -> None:
    assert not _obeyed(one_line(HOSTILE))
    assert _obeyed(lines(HOSTILE)) == {"\n", "\t"}
    assert r"\x1b]52;c;AAAA\x07" in one_line(HOSTILE) and r"\xff\ud800" in one_line(HOSTILE)
    assert r"\r\n# https" in one_line(HOSTILE)


def test_what_is_no_danger_stays_as_it_is() -> None:
    name = "Å b/zwölf é 日本語 👩‍🔬 نیم‌فاصله C:\\x1b"
    assert one_line(name) == lines(name) == name
    assert output("\x1b[1;31mred\x1b[0m\r 10%\x1b[2J") == "red\n 10%\\x1b[2J"


def test_a_long_name_loses_its_middle_and_keeps_its_suffix() -> None:
    short = one_line("\x1b" * 10_000 + ".jsonl", most=100)
    assert len(short) == 100 and short.endswith(".jsonl") and " … " in short


def test_the_ui_draws_nothing_of_a_name() -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(
        f"| {markdown_cell(HOSTILE)} | b |\n|---|---|\n\n{markdown(HOSTILE)}"
    )
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "text_special", "hardbreak"}
    assert sum(token.type == "th_open" for token in tokens) == 2
    seen = "".join(child.content for child in inline)
    for address in ("https://", "www.evil", "a@evil"):
        assert address not in seen, "the UI makes a link of that by itself"
    assert text_of(markdown("https://a.b/c www.d.e f@g.h")) == "https://a.b/c www.d.e f@g.h"


def test_html_holds_no_tag_and_no_attribute() -> None:
    parser = HTMLParser()
    found: list[str] = []
    parser.handle_starttag = lambda tag, attrs: found.append(f"{tag} {attrs}")
    parser.feed(f"<p title='{html(HOSTILE)}\" onclick=1'>{html(HOSTILE)}</p>")
    assert len(found) == 1 and found[0].startswith("p [('title'") and not _obeyed(html("a\x1b"))


@pytest.mark.parametrize("text", [HOSTILE, "é\0" * 200_000])
def test_a_child_starts_with_any_text_in_its_environment(text: str) -> None:
    done = subprocess.run(["/usr/bin/env"], env={"SAID": variable(text)}, capture_output=True, check=True)
    assert done.stdout.decode() == f"SAID={variable(text)}\n" and len(done.stdout) < 40_000
