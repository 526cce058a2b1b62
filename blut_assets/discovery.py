"""Finds the installed cookbooks. A faulty one is left out with what depends on it, and the others load."""

import contextlib
import importlib.util
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import EntryPoint
from pathlib import Path

import dagster as dg

from blut_assets.chosen import chosen
from blut_assets.recipes import Cookbook
from blut_assets.recipes.cookbook import keys_of
from blut_assets.validation import faults_alone, faults_beside, known, taken_by
from blut_resources.text import one_line

log = logging.getLogger("blut")

Books = dict[str, Cookbook]
Check = Callable[[Sequence[Cookbook]], object]


@dataclass
class Discovered:
    """Holds the cookbooks that loaded, and why others did not.

    Attributes:
        left_out: by name of the entry point, a line for each fault.
        out: those of them that could be loaded.
    """

    cookbooks: list[Cookbook] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    out: dict[str, Cookbook] = field(default_factory=dict)

    def recipe_names(self) -> list[str]:
        """Returns the names of all recipes."""
        return [recipe.name for cookbook in self.cookbooks for recipe in cookbook.recipes]

    def without(self, faulty: Mapping[str, str], check: Check = len) -> "Discovered":
        """Returns the others: those that need none of these, fit to each other, and that ``check`` accepts.

        Args:
            faulty: by name, a line for each fault.
            check: raises where cookbooks cannot be loaded together.
        """
        books = {book.name: book for book in self.cookbooks}
        left_out, out = dict(self.left_out), dict(self.out)
        while True:
            for name, lines in faulty.items():
                left_out[name] = lines
                out |= {name: books.pop(name)} if name in books else {}
                log.warning("cookbook %s is left out: %s", name, "; ".join(lines.splitlines()))
            gone = {name: out.get(name) for name in left_out}
            faulty = _clashing(books) or _misplaced(books, gone) or _refused(books, check)
            if not faulty:
                return Discovered(list(books.values()), left_out, out)

    def faults(self) -> list[str]:
        """Returns a sentence for each fault of those that are left out."""
        return [
            f"cookbook {name} is left out: {line}"
            for name, lines in self.left_out.items()
            for line in lines.splitlines()
        ]


def discover(found: Iterable[EntryPoint] | None = None, check: Check = len) -> Discovered:
    """Load the cookbooks that are to be, in the order of their names.

    Args:
        found: instead of those that are installed and chosen.
        check: raises where cookbooks cannot be loaded together; it is asked at the end.

    Raises:
        UnknownCookbook: $BLUT_COOKBOOKS names one that is not installed.
    """
    loaded, faulty = Discovered(), {}
    for point in sorted(chosen() if found is None else found, key=lambda point: point.name):
        try:
            book = point.load()()
            if faults := [*faults_alone(book), *_name_taken(book, loaded.cookbooks)]:
                faulty[point.name] = "\n".join(faults)
            else:
                loaded.cookbooks.append(book)
        except (Exception, SystemExit) as error:  # third-party code: what it raises must not stop the others
            faulty[point.name] = _told(error, point)
    return loaded.without(faulty, check)


def _name_taken(book: object, others: Sequence[Cookbook]) -> Iterator[str]:
    name = getattr(book, "name", "")
    if name in [other.name for other in others]:
        yield f"another cookbook is already called {name!r}"


def _clashing(books: Books) -> dict[str, str]:
    """Returns the first that has a name which one before it has."""
    taken: set[object] = set()
    for name, book in books.items():
        names = {
            **{key: key.to_user_string() for key in sorted(_made(book))},
            **{("job", job.name): job.name for job in [*book.recipes, *book.jobs]},
            **{("command", word): f"blut {word}" for word in book.commands},
            **{("tick", ticker.name): ticker.name for ticker in [*book.sensors, *book.schedules]},
            **{("resource", key): f"the resource {key}" for key in book.resources},
        }
        if clashes := [told for one, told in names.items() if one in taken]:
            return {name: f"another cookbook already has {', '.join(clashes)}"}
        taken |= names.keys()
    return {}


def _made(book: Cookbook) -> set[dg.AssetKey]:
    return {key for asset in book.assets if getattr(asset, "is_executable", False) for key in keys_of(asset)}


def _misplaced(books: Books, out: Mapping[str, Cookbook | None]) -> dict[str, str]:
    """Returns those that do not fit to the others, or need one that is left out."""
    there = known(books, out)
    found = {name: "\n".join(faults_beside(book, there)) for name, book in books.items()}
    return {name: faults for name, faults in found.items() if faults}


def _refused(books: Books, check: Check) -> dict[str, str]:
    """Returns those that Dagster refuses, beside the ones that it takes."""
    with contextlib.suppress(Exception):  # which of them it was is found out below
        check(list(books.values()))
        return {}
    taken: list[Cookbook] = []
    refused: dict[str, str] = {}
    for name in _in_order(books):
        try:
            check([*taken, books[name]])
        except Exception as error:
            refused[name] = _told(error)
        else:
            taken.append(books[name])
    return refused


def _in_order(books: Books) -> list[str]:
    """Returns the names, those first from which others take something."""
    makers = {key: name for name, book in books.items() for key in _made(book)}
    takes = {name: {makers.get(key, name) for key in taken_by(book)} - {name} for name, book in books.items()}
    try:
        return list(TopologicalSorter(takes).static_order())
    except CycleError:
        return list(books)


def _told(error: BaseException, point: EntryPoint | None = None) -> str:
    """Returns an error with its causes in one line, and the place in the source of the cookbook."""
    words, cause = [], error
    while cause is not None:
        words.append(f"{type(cause).__name__}: {cause}")
        cause = cause.__cause__
    return one_line(" ".join(": ".join(words).split())) + (_place(error, point) if point else "")


def _place(error: BaseException, point: EntryPoint) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    roots = _roots(point.module.partition(".")[0])
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if any(Path(frame.filename).is_relative_to(root) for root in roots)]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _roots(package: str) -> list[Path]:
    """Returns where the source of a top-level package or module lies."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    places = spec.submodule_search_locations or ([spec.origin] if spec.origin else [])
    return [Path(place) for place in places]
