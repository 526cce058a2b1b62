"""Puts one layer of settings over the other, and notes what no recipe could take."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from blut_assets.layers.changes import changed, value_of
from blut_assets.layers.compose import Composer, GroupChoice, LayerPiece, choice_of
from blut_assets.layers.directories import (
    CONFIGS,
    PROJECT,
    USER,
    Shelf,
    is_path,
    own_shelves,
    path_of,
    project_directory,
    user_directory,
)
from blut_assets.layers.form import anchored, spelled, unknown_below
from blut_assets.layers.interpolation import NoSuchValue, replaced
from blut_assets.layers.places import cookbook_shelf, named, shelf_beside
from blut_assets.layers.reading import SettingsFile, read_object, read_settings
from blut_assets.layers.values import KeyPath, Layer, ValueOrigin, Values
from blut_assets.paths import typed_in
from blut_assets.recipes import Recipe
from blut_assets.recipes.args import ArgsError, unknown_argument
from blut_resources.launchers.choose import VARIABLE
from blut_resources.payloads.environment import OWN
from blut_resources.settings import settings
from blut_resources.text import meant

RECIPES = "recipes"
"""The key of a file below which settings of single recipes stand, by name."""
ELSEWHERE = f"; what other recipes have belongs below `{RECIPES}:` and their name"


@dataclass(frozen=True)
class Reads:
    """Says which layers are read beside what is given.

    Attributes:
        files: the cookbook's and the user's.
        project: the one around the working directory.
        environment: the variables ``BLUT_ARG_<NAME>``.
        alone: whether nobody is there who named a file: even that must not be anybody's.
    """

    files: bool = True
    project: bool = True
    environment: bool = True
    alone: bool = False


TERMINAL = Reads()
POLICY = Reads(project=False, environment=False, alone=True)
"""A sensor has no working directory, and the environment of whoever started the daemon."""
FROZEN = Reads(files=False, project=False, environment=False)
"""Args that were resolved before, such as those of a run that is resumed."""


@dataclass
class Stack:
    """Holds the values of the layers that were put so far.

    Attributes:
        problems: a line for each key that no recipe takes, and each value that cannot be read.
        looked: the files that were looked for, each with whether it is there.
    """

    recipe: Recipe
    reads: Reads
    recipes: Collection[str]
    values: Values = field(default_factory=Values)
    problems: list[str] = field(default_factory=list)
    looked: list[tuple[Layer, str, bool]] = field(default_factory=list)

    def put_files(self, words: Sequence[str]) -> None:
        """Put the files: those of the cookbook, the user and the project, and what ``--config`` names."""
        user = user_directory() if self.reads.files else None
        project = project_directory() if self.reads.project else None
        cookbook = cookbook_shelf(self.recipe) if self.reads.files or words else None
        shelves = [*own_shelves(project, user), *([cookbook] if cookbook else [])]
        chosen = [choice_of(word) if not is_path(word) else None for word in words]
        composer = Composer(self.recipe.args, shelves, [one for one in chosen if one])
        if cookbook and self.reads.files:
            name = self.recipe.settings or self.recipe.name
            self._put_found("cookbook", cookbook.file(name), cookbook, composer)
        if self.reads.files:
            self._put_user(user, composer)
        if self.reads.project:
            self._put_project(project, composer, words)
        for word, choice in zip(words, chosen, strict=True):
            if choice is None:
                self._put_named(word, shelves, composer)
            elif not choice.used:
                self._put_option(choice, composer)

    def _put_option(self, choice: GroupChoice, composer: Composer) -> None:
        for piece in composer.option(choice):
            self._put_piece("config", piece)

    def _put_user(self, user: Path | None, composer: Composer) -> None:
        if user is None:
            self.looked.append(("user", f"{USER}: this user has no home directory", False))
        else:
            self._put_found("user", user / USER, Shelf(user / CONFIGS, False), composer)

    def _put_project(self, project: Path | None, composer: Composer, words: Sequence[str]) -> None:
        if project is None:
            self.looked.append(("project", PROJECT, False))
            return
        file = project / PROJECT
        own = any(is_path(word) and path_of(word).resolve() == file for word in words)
        self._put_found("project", file, Shelf(project / CONFIGS, own), composer)

    def _put_found(self, layer: Layer, file: Traversable, shelf: Shelf, composer: Composer) -> None:
        """Put a file that may be there."""
        try:
            found = read_settings(file, believe=shelf.believed)
        except (FileNotFoundError, NotADirectoryError):
            self.looked.append((layer, str(file), False))
        else:
            self.looked.append((layer, str(file), True))
            self._put_whole(layer, found, shelf, composer)

    def _put_named(self, word: str, shelves: Sequence[Shelf], composer: Composer) -> None:
        said = f"--config {word}"
        if not is_path(word):
            file, shelf = named(word, shelves, said)
        else:
            if self.reads.alone and not path_of(word).is_absolute():
                raise ArgsError(f"config = {word!r}: a relative path; give the whole one")
            file = path_of(word)
            shelf = shelf_beside(file, believed=not self.reads.alone)
        try:
            found = read_settings(file, believe=shelf.believed if shelf else True)
        except FileNotFoundError:
            raise ArgsError(f"{said}: there is no such file") from None
        self.looked.append(("config", str(file), True))
        self._put_whole("config", found, shelf, composer)

    def _put_whole(self, layer: Layer, file: SettingsFile, shelf: Shelf | None, composer: Composer) -> None:
        """Put a file, and then what it says of this recipe alone."""
        every = file.values.get(RECIPES) if RECIPES not in self.recipe.args.model_fields else None
        if every is not None and layer != "cookbook":
            file = file._replace(values={key: one for key, one in file.values.items() if key != RECIPES})
        for piece in composer.pieces(file, shelf):
            self._put_piece(layer, piece)
        if every is None or layer == "cookbook":
            return
        if not isinstance(every, Mapping):
            raise ArgsError(
                f"{file.place((RECIPES,))}: {RECIPES}: expected names of recipes, each with its settings"
            )
        for name in every:
            if name not in self.recipes and (near := meant(name, self.recipes)):
                self.problems.append(
                    f"{file.place((RECIPES, name))}: {RECIPES}: no recipe is called {name!r}{near}"
                )
        if self.recipe.name in every:
            whole = file._replace(values={RECIPES: every})
            for piece in composer.pieces(whole, shelf, inside=(RECIPES, self.recipe.name)):
                self._put_piece(layer, piece)

    def _put_piece(self, layer: Layer, piece: LayerPiece) -> None:
        file, inside, at = piece.file, piece.inside, piece.at

        def origin(path: KeyPath) -> ValueOrigin:
            return ValueOrigin(layer, file.path, file.line((*inside, *path[len(at) :])))

        values: dict[str, Any] = {}
        for key, value in piece.values.items():
            try:
                values[key] = replaced(value)
            except NoSuchValue as error:
                self.problems.append(f"{file.place((*inside, key))}: {key}: {error}")
        whole: Any = values
        for key in reversed(at):
            whole = {key: whole}
        try:
            with typed_in(file.directory):
                whole = anchored(self.recipe.args, whole)
        except ValueError as error:
            word = str(error).partition(" = ")[0]
            self.problems.append(f"{file.place((*inside, word))}: {self.recipe.name}: {error}")
            return
        everybodys = layer in ("user", "project") and RECIPES not in inside
        self._put((), whole, origin, ELSEWHERE if everybodys else "")

    def put_environment(self) -> None:
        """Put the variables ``BLUT_ARG_<NAME>``, and the launcher's; one that is empty counts as none."""
        if self.reads.environment and (launcher := settings().get(VARIABLE, "").strip()):
            self._put(("launcher",), launcher, lambda _: ValueOrigin("environment", f"${VARIABLE}"))
        for name, text in sorted(settings().items()) if self.reads.environment else ():
            if name.startswith(OWN) and text.strip():
                words = name.removeprefix(OWN)
                path = spelled(self.recipe.args, [words])
                if path[0] not in self.recipe.args.model_fields:
                    path = spelled(self.recipe.args, words.split("__"))
                said = ValueOrigin("environment", f"${name}")
                if not all(path):
                    self.problems.append(f"${name}: no argument has such a name; write {OWN}<NAME>")
                else:
                    self._put(path, value_of(text), lambda _, said=said: said)

    def put_args(self, args: str | Mapping[str, Any] | None) -> None:
        """Put what ``--args`` says."""
        if isinstance(args, str):
            values, file = read_object(args, "--args")
        else:
            values, file = args or {}, None

        def origin(path: KeyPath) -> ValueOrigin:
            return ValueOrigin("args", file.path, file.line(path)) if file else ValueOrigin("args", "--args")

        self._put((), values, origin)

    def put_changes(self, sets: Iterable[str]) -> None:
        """Put what ``--set`` says, one after the other."""
        for change in sets:
            path, value = changed(self.values, change)
            said = f"--set {change.partition('=')[0]}"  # its value may be a secret
            self._note_unknown(path, value, lambda _, said=said: ValueOrigin("set", said))

    def _put(
        self, path: KeyPath, value: Any, origin: Callable[[KeyPath], ValueOrigin], remedy: str = ""
    ) -> None:
        self._note_unknown(path, value, origin, remedy)
        self.values.put(path, value, origin)

    def _note_unknown(
        self, path: KeyPath, value: Any, origin: Callable[[KeyPath], ValueOrigin], remedy: str = ""
    ) -> None:
        for one in unknown_below(self.recipe.args, path, value):
            line = f"{origin(one.path)}: {unknown_argument(self.recipe.name, *one)}"
            self.problems.append(line + remedy)
