"""Finds the installed cookbooks. A faulty one is left out with what depends on it, and the others load."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import EntryPoint
from typing import Any

import dagster as dg

from blut_assets.chosen import chosen, not_chosen
from blut_assets.load_errors import place_of, placed, told, told_of
from blut_assets.recipes import Cookbook
from blut_assets.recipes.cookbook import keys_of
from blut_assets.validation import Known, faults_alone, faults_beside, known, taken_by

log = logging.getLogger("blut")

Books = dict[str, Cookbook]
Check = Callable[[Sequence[Cookbook]], object]


@dataclass
class Discovered:
    """Holds the cookbooks that loaded, and why others did not.

    Attributes:
        left_out: by name of the entry point, a line for each fault.
        out: those of them that could be loaded.
        places: in the source, of the functions that return them.
        not_chosen: names of cookbooks that are installed and not to be loaded.
    """

    cookbooks: list[Cookbook] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    out: dict[str, Cookbook] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    not_chosen: tuple[str, ...] = ()

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
                left_out[name] = placed(lines, self.places.get(name, ""))
                out[name] = books.pop(name)
                _warn(name, left_out[name])
            there = known(books, {name: out.get(name) for name in left_out}, self.not_chosen)
            faulty = _clashing(books) or _misplaced(books, there) or _refused(books, check)
            if not faulty:
                return replace(self, cookbooks=list(books.values()), left_out=left_out, out=out)

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
    points = sorted(chosen() if found is None else found, key=lambda point: point.name)
    loaded = Discovered(not_chosen=tuple(not_chosen()) if found is None else ())
    errors: list[tuple[EntryPoint, BaseException]] = []
    for point in points:
        try:
            book, place = _brought(point)
            if faults := [*faults_alone(book), *_name_taken(book, loaded.cookbooks)]:
                loaded.left_out[_name(point, points)] = placed("\n".join(faults), place)
            else:
                loaded.cookbooks.append(book)
                loaded.places[book.name] = place
        except (Exception, SystemExit) as error:  # third-party code: what it raises must not stop the others
            errors.append((point, error))
    for point, error in errors:
        others = [one for one, _ in errors if one is not point]
        loaded.left_out[_name(point, points)] = told_of(error, point, others)
    for name, lines in loaded.left_out.items():
        _warn(name, lines)
    return loaded.without({}, check)


def _brought(point: EntryPoint) -> tuple[Any, str]:
    """Returns what an entry point brings, and where it is declared."""
    if not ((said := EntryPoint.pattern.match(point.value)) and said.group("attr")):
        wanted = "it is to name a function of a module, as in package:cookbook"
        raise ValueError(f"its entry point is {point.value!r}: {wanted}")
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for what a command was asked
        return (function := point.load())(), place_of(function)


def _name(point: EntryPoint, points: Sequence[EntryPoint]) -> str:
    """Returns the name of an entry point; where another has it too, also what it leads to."""
    alike = [one for one in points if one.name == point.name]
    return point.name if len(alike) == 1 else f"{point.name} ({point.value})"


def _warn(name: str, faults: str) -> None:
    log.warning("cookbook %s is left out: %s", name, "; ".join(faults.splitlines()))


def _name_taken(book: object, others: Sequence[Cookbook]) -> Iterator[str]:
    name = getattr(book, "name", "")
    if name in [other.name for other in others]:
        yield f"another cookbook is already called {name!r}"


def _clashing(books: Books) -> dict[str, str]:
    """Returns the first that has a name which one before it has."""
    taken: set[object] = set()
    given: dict[str, Any] = {}
    for name in sorted(books, key=lambda name: _uses_another_name(name, books)):
        book = books[name]
        names = {
            **{key: key.to_user_string() for key in sorted(_made(book))},
            **{("job", job.name): job.name for job in [*book.recipes, *book.jobs]},
            **{("command", word): f"blut {word}" for word in book.commands},
            **{("tick", ticker.name): ticker.name for ticker in [*book.sensors, *book.schedules]},
        }
        clashes = [word for one, word in names.items() if one in taken]
        clashes += [
            f"the resource {key}" for key, one in book.resources.items() if given.get(key, one) is not one
        ]
        if clashes:
            return {name: f"another cookbook already has {', '.join(clashes)}"}
        taken |= names.keys()
        given |= book.resources
    return {}


def _uses_another_name(name: str, books: Books) -> bool:
    """Says whether keys of a cookbook begin with the name of another, which has the better right to them."""
    return bool({key.path[0] for key in _made(books[name])} & (books.keys() - {name}))


def _made(book: Cookbook) -> set[dg.AssetKey]:
    return {key for asset in book.assets if getattr(asset, "is_executable", False) for key in keys_of(asset)}


def _misplaced(books: Books, there: Known) -> dict[str, str]:
    """Returns those that do not fit to the others, or need one that is left out."""
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
            refused[name] = told(error)
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
