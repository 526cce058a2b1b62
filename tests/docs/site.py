"""Pages as a browser would see them: what they load, and where their links lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("use", "href"),
}
STYLE_REFERENCE = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")


@dataclass
class Page(HTMLParser):
    """What one page loads, links to, and offers as a target."""

    text: str
    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if (tag, name) in LOADED:
                self.loads.append(value)
            elif tag == "a" and name == "href":
                self.links.append(value)
            elif name == "id":
                self.targets.append(value)
            elif name == "style":
                self.loads += STYLE_REFERENCE.findall(value)


@cache
def page(path: Path) -> Page:
    """A page of a finished site, read once."""
    return Page(path.read_text())


def foreign(site: Path) -> Iterator[str]:
    """What pages or their styles load from elsewhere, or from where nothing is."""
    for path in sorted(site.rglob("*.html")):
        for loaded in page(path).loads:
            yield from _missing(path, loaded)
    for path in sorted(site.rglob("*.css")):
        for loaded in STYLE_REFERENCE.findall(path.read_text()):
            yield from _missing(path, loaded)


def _missing(path: Path, loaded: str) -> Iterator[str]:
    parts = urlsplit(loaded)
    if parts.scheme == "data" or loaded.startswith("#"):
        return
    if parts.scheme or parts.netloc or loaded.startswith("/"):
        yield f"{path.name} loads {loaded}"
    elif not (path.parent / unquote(parts.path)).exists():
        yield f"{path.name} loads {loaded}, which is not there"


def dead_links(site: Path) -> Iterator[str]:
    """Links to pages or places of this site that do not exist."""
    for path in sorted(site.rglob("*.html")):
        for link in page(path).links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or not target.is_file() or site.resolve() not in target.resolve().parents:
                yield f"{path.name}: {link}: no such page"
            elif parts.fragment and unquote(parts.fragment) not in page(target).targets:
                yield f"{path.name}: {link}: no such place in it"


def words(path: Path) -> str:
    """The text of a page, without tags."""

    class Text(HTMLParser):
        said = ""

        def handle_data(self, data: str) -> None:
            self.said += data

    text = Text()
    text.feed(path.read_text())
    return " ".join(text.said.split())
