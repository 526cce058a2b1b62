"""Resolves the args of a recipe: every layer is read once, and what runs is what came of it.

The weakest first: the defaults, the cookbook's ``configs/<recipe>.yaml``, the user's ``config.yaml``, the
project's ``blut.yaml``, ``--config``, ``BLUT_ARG_<NAME>``, ``--args`` and ``--set``. Which layer said a value
does not enter the args, so a fingerprint has no trace of it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blut_assets.layers.stack import TERMINAL, Reads, Stack
from blut_assets.layers.values import KeyPath, Layer, ValueOrigin
from blut_assets.paths import with_datasets
from blut_assets.recipes import Recipe, RecipeArgs
from blut_assets.recipes.args import ArgsError
from blut_assets.recipes.revealing import concealed


@dataclass(frozen=True)
class Layered:
    """Holds what the layers say, before the recipe has seen it.

    Attributes:
        values: by name, objects inside objects; without defaults.
        origins: by key path, where each of them was said.
        looked: the files that were looked for, each with whether it is there.
    """

    recipe: Recipe
    values: Mapping[str, Any]
    origins: Mapping[KeyPath, ValueOrigin]
    looked: Sequence[tuple[Layer, str, bool]] = ()

    def parse(self, partitions: Sequence[str | None] = (None,)) -> RecipeArgs:
        """Validate the values.

        Raises:
            ArgsError: as `Recipe.parse`; what is wrong of a file or a variable begins with it.
        """
        try:
            return self.recipe.parse(self._with_datasets(), partitions)
        except ArgsError as error:
            raise ArgsError("\n".join(self._placed(line) for line in str(error).splitlines())) from None

    def _with_datasets(self) -> dict[str, Any]:
        try:
            return with_datasets(self.values)
        except ValueError as error:
            raise ArgsError(str(error)) from None

    def origin(self, path: KeyPath) -> ValueOrigin | None:
        """Returns where a key, or the first inside it, was said; None where that is a default."""
        return next((one for known, one in self.origins.items() if known[: len(path)] == path), None)

    def _placed(self, line: str) -> str:
        """Returns what is wrong of an argument, after the file or the variable that says it."""
        begin = f"{self.recipe.name}: argument '"
        word = line.removeprefix(begin).partition("'")[0] if line.startswith(begin) else ""
        path = tuple(word.split("."))
        found = next((one for n in range(len(path), 0, -1) if (one := self.origins.get(path[:n]))), None)
        found = found or (self.origin(path) if word else None)
        if found is None or not (found.line or found.layer == "environment"):
            return line
        if found.layer == "environment":
            line = concealed(line, found.place, self._value(path))
        return f"{found}: {line}"

    def _value(self, path: KeyPath) -> Any:
        """Returns the value of a key, or of the nearest one around it that was said."""
        found: Any = self.values
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                break
            found = found[key]
        return found


@dataclass(frozen=True)
class Resolved:
    """Holds the args of a run, and where each value was said, but for defaults.

    Attributes:
        args: validated; they are what runs.
        values: what the layers say, without defaults.
        origins: by key path: a file with its line, a variable, or an option.
    """

    args: RecipeArgs
    values: Mapping[str, Any]
    origins: Mapping[KeyPath, ValueOrigin]


def resolve(
    recipe: Recipe,
    *,
    args: str | Mapping[str, Any] | None = None,
    sets: Iterable[str] = (),
    config: str | Iterable[str] | None = None,
    partitions: Sequence[str | None] = (None,),
    reads: Reads = TERMINAL,
    recipes: Collection[str] = (),
) -> Resolved:
    """Returns the validated args of a recipe.

    Args:
        args: a JSON object, ``@FILE`` with JSON or YAML in it, or the object itself.
        sets: changes as ``--set`` takes them.
        config: files, names, and ``group=option``, the weakest first.
        partitions: those that the args are to hold for.
        reads: which layers are read besides.
        recipes: names of all recipes, so that a misspelt one in a file is told.

    Raises:
        ArgsError: one line per problem: the file and its line, the variable or the option, the value and the
            remedy.
    """
    found = layered(recipe, args=args, sets=sets, config=config, reads=reads, recipes=recipes)
    return Resolved(found.parse(partitions), found.values, found.origins)


def layered(
    recipe: Recipe,
    *,
    args: str | Mapping[str, Any] | None = None,
    sets: Iterable[str] = (),
    config: str | Iterable[str] | None = None,
    reads: Reads = TERMINAL,
    recipes: Collection[str] = (),
) -> Layered:
    """Returns what the layers say, which may lack what the recipe needs. Args and errors as `resolve`."""
    stack = Stack(recipe, reads, recipes)
    stack.put_files([config] if isinstance(config, str) else list(config or ()))
    stack.put_environment()
    stack.put_args(args)
    stack.put_changes(sets)
    if stack.problems:
        raise ArgsError("\n".join(stack.problems))
    return Layered(recipe, stack.values.nested(), stack.values.origins(), stack.looked)
