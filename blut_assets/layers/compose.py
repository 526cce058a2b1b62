"""Puts a file of settings together with the groups that its ``defaults:`` choose, the weakest first.

The words are Hydra's: an entry ``group: option`` stands for ``configs/<group>/<option>.yaml``, ``_self_`` for
the file itself, which is the last if it is not named, and ``group@package`` says where an option is put.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from blut_assets.layers.directories import Shelf
from blut_assets.layers.form import Form, holds_object
from blut_assets.layers.interpolation import NoSuchValue, replaced
from blut_assets.layers.places import named
from blut_assets.layers.reading import SettingsFile, read_settings
from blut_assets.layers.values import KeyPath
from blut_assets.recipes.args import ArgsError

DEFAULTS, SELF, GLOBAL = "defaults", "_self_", "_global_"
DEEPEST = 16
_WORD = r"\w[\w.-]*"
_NAME = rf"{_WORD}(?:/{_WORD})*"
_GROUP = re.compile(rf"(?P<group>{_NAME})(?:@(?P<package>[\w.-]+))?")
_CHOICE = re.compile(rf"(?P<group>{_NAME})(?:@(?P<package>[\w.-]+))?=(?P<option>{_NAME})")


class LayerPiece(NamedTuple):
    """Holds a part of a layer: what a file says, and where that is put.

    Attributes:
        values: what the file says at ``inside``, without what chooses other files.
        inside: the key of the file below which they stand.
        at: the key of the args below which they are put.
    """

    file: SettingsFile
    values: Mapping[str, Any]
    inside: KeyPath = ()
    at: KeyPath = ()


@dataclass
class GroupChoice:
    """Chooses an option of a group on the command line, in place of what ``defaults:`` say.

    Attributes:
        said: as it was given.
        package: where it is put; None where that was not said.
        used: whether some ``defaults:`` had the group.
    """

    said: str
    group: str
    package: str | None
    option: str
    used: bool = False


def choice_of(word: str) -> GroupChoice | None:
    """Returns what ``group=option`` chooses; None for a word that is nothing of that kind."""
    found = _CHOICE.fullmatch(word)
    return GroupChoice(word, found["group"], found["package"], found["option"]) if found else None


@dataclass
class Composer:
    """Follows the ``defaults:`` of files.

    Attributes:
        form: of the args, which says whether a group is an object of theirs.
        shelves: where a group is looked for that does not lie beside its file.
        choices: of the command line.
    """

    form: Form
    shelves: Sequence[Shelf]
    choices: Sequence[GroupChoice] = ()
    _open: list[str] = field(default_factory=list)

    def pieces(
        self, file: SettingsFile, beside: Shelf | None, inside: KeyPath = (), at: KeyPath = ()
    ) -> Iterator[LayerPiece]:
        """Yields the pieces of a file, or of an object in it.

        Args:
            beside: where its groups are looked for first.
            inside: the key of that object.
            at: the key of the args below which all of it is put.

        Raises:
            ArgsError: a file or an option that it names is not there, or it names itself.
        """
        if file.path in self._open or len(self._open) >= DEEPEST:
            chain = " -> ".join([*self._open, file.path])
            raise ArgsError(f"{chain}: the defaults lead in a circle, or more than {DEEPEST} files deep")
        self._open.append(file.path)
        try:
            values = self._object(file, inside)
            own = LayerPiece(file, {key: one for key, one in values.items() if key != DEFAULTS}, inside, at)
            entries = values.get(DEFAULTS) or []
            where = file.place((*inside, DEFAULTS))
            if not isinstance(entries, list):
                raise ArgsError(f"{where}: defaults: expected a list such as [preset: fast, _self_]")
            for number, entry in enumerate([*entries, *([] if SELF in entries else [SELF])]):
                where = file.place((*inside, DEFAULTS, str(number)))
                yield from [own] if entry == SELF else self._chosen(entry, where, beside, at)
        finally:
            self._open.pop()

    def option(self, choice: GroupChoice) -> Iterator[LayerPiece]:
        """Yields the pieces of an option that the command line chooses and no ``defaults:`` have."""
        yield from self._of_group(
            choice.group, choice.package, choice.option, f"--config {choice.said}", None, ()
        )

    def _object(self, file: SettingsFile, inside: KeyPath) -> Mapping[str, Any]:
        values: Any = file.values
        for key in inside:
            values = values[key]
        if values is None:
            return {}
        if not isinstance(values, Mapping):
            raise ArgsError(f"{file.place(inside)}: {'.'.join(inside)}: expected names and values")
        return values

    def _chosen(self, entry: Any, where: str, beside: Shelf | None, at: KeyPath) -> Iterator[LayerPiece]:
        """Yields the pieces of one of the ``defaults:``."""
        try:
            entry = replaced(entry)
        except NoSuchValue as error:
            raise ArgsError(f"{where}: defaults: {error}") from None
        if isinstance(entry, str) and re.fullmatch(_NAME, entry):
            yield from self._file(entry, f"{where}: defaults: {entry}", beside, at)
            return
        choices = [*entry.items()] if isinstance(entry, Mapping) else []
        name, option = choices[0] if len(choices) == 1 else ("", "")
        found = _GROUP.fullmatch(name)
        options = option if isinstance(option, list) else [option]
        if not found or not all(one is None or re.fullmatch(_NAME, str(one)) for one in options):
            raise ArgsError(
                f"{where}: defaults: {entry!r}: write `group: option`, `group@package: option`, the name of a"
                f" file beside, or {SELF}"
            )
        group, package = found["group"], found["package"]
        said = [(f"{where}: defaults: {name}: {one}", one) for one in options if one is not None]
        for choice in self.choices:
            if choice.group == group and choice.package in (None, package):
                choice.used, said = True, [(f"--config {choice.said}", choice.option)]
        for told, one in said:
            yield from self._of_group(group, package, str(one), told, beside, at)

    def _of_group(
        self, group: str, package: str | None, option: str, said: str, beside: Shelf | None, at: KeyPath
    ) -> Iterator[LayerPiece]:
        name = f"{group}/{option}"
        if package is None:
            own = tuple(group.split("/"))
            return self._file(name, said, beside, (*at, *own) if holds_object(self.form, (*at, *own)) else at)
        return self._file(name, said, beside, () if package == GLOBAL else (*at, *package.split(".")))

    def _file(self, name: str, said: str, beside: Shelf | None, at: KeyPath) -> Iterator[LayerPiece]:
        """Yields the pieces of a file of the directories ``configs``."""
        file, shelf = named(name, [*([beside] if beside else []), *self.shelves], said)
        return self.pieces(read_settings(file, believe=shelf.believed), shelf, at=at)
