"""Hands out a registered model in the forms that other programs take."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blut_resources.files.durable import explained, random_name, remove_tree, sync_tree
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.text import meant

AS_STORED = "files"


class FormRefused(ValueError):
    """Says why a model cannot be handed out in a form, and what can be done."""


@dataclass(frozen=True)
class ModelBytes:
    """Holds what a form is made of.

    Attributes:
        reference: such as ``mine@3``.
        roles: digests of the candidate, and of what it was made of and judged on.
    """

    reference: str
    roles: Mapping[str, str]
    store: ArtifactStore

    def path(self, role: str) -> Path:
        """Returns where the checked bytes of a role are.

        Raises:
            FormRefused: the model has no such role.
            StoreError: its bytes are gone or damaged.
        """
        if role not in self.roles:
            raise FormRefused(f"{self.reference} has no {role}; it has {', '.join(self.roles)}")
        return self.store.open(self.roles[role])


@dataclass(frozen=True)
class FormFiles:
    """Holds what is written of a model.

    Attributes:
        files: by relative name, where the bytes are, or the bytes.
        front: what its model card says besides, in the words of model hubs.
    """

    files: Mapping[str, Path | bytes]
    front: Mapping[str, Any] = field(default_factory=dict)


ModelForm = Callable[[ModelBytes], FormFiles]


def in_form(model: ModelBytes, name: str, known: Iterable[Mapping[str, ModelForm]]) -> FormFiles:
    """Returns a model in a form; of several cookbooks that know it, by the first that takes such models.

    Args:
        known: the forms of each cookbook, by name.

    Raises:
        FormRefused: there is no such form, or the model cannot be had in it.
    """
    offered = [{AS_STORED: _as_stored}, *known]
    refusals: list[str] = []
    for forms in offered:
        if name in forms:
            try:
                return forms[name](model)
            except FormRefused as error:
                refusals.append(str(error))
    if refusals:
        raise FormRefused(f"--as {name}: {'; '.join(refusals)}")
    names = list(dict.fromkeys(one for forms in offered for one in forms))
    raise FormRefused(f"--as {name!r}{meant(name, names)}: is none of {', '.join(names)}")


def _as_stored(model: ModelBytes) -> FormFiles:
    return FormFiles(files_below(model.path("candidate")))


def files_below(root: Path) -> dict[str, Path]:
    """Returns the files of an artifact by relative name; a single one by its own."""
    if root.is_file():
        return {root.name: root}
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}


def write_directory(files: Mapping[str, Path | bytes], target: Path) -> int:
    """Write files into a new directory, which is there whole or not at all; returns their bytes.

    Raises:
        StoreError: it is there already, or cannot be written.
    """
    part = target.with_name(f".{target.name}.{random_name()}")
    try:
        with explained(target):
            part.mkdir()
            written = [_written(part / name, content) for name, content in files.items()]
            sync_tree(written, [part, *{path.parent for path in written}])
            n_bytes = sum(path.stat().st_size for path in written)
            part.rename(target)
        return n_bytes
    finally:
        if part.exists():
            remove_tree(part)


def _written(path: Path, content: Path | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        shutil.copyfile(content, path)
    return path
