"""Gives an artifact to assets of anybody: typed, as a path, or as what it is, by how they are annotated.

::

    @dg.asset
    def export(joint_checkpoint: Path) -> None: ...

    defs = dg.Definitions(
        [external("lamquant/joint_checkpoint"), export], resources={"blut_handles": blut_assets.HANDLES}
    )
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import ConfigDict, PrivateAttr

from blut_assets.artifacts import Artifact
from blut_assets.pages.metadata import KIND
from blut_assets.stages.reuse import typed
from blut_resources.store.artifacts import ArtifactMissing, ArtifactStore

HANDLES_KEY = "blut_handles"
"""The resource key of what hands artifacts on."""
REMEDY = (
    "annotate it with pathlib.Path to get its bytes, with blut_assets.ExternalArtifact, or with the class of"
    " the artifact"
)


class ExternalArtifact(Artifact):
    """Stands for an artifact whose class the reader does not have: its facts are attributes.

    Raises:
        ArtifactMissing: by `path`, if its bytes are not here.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    _kind: str = PrivateAttr(default="")
    _open: Callable[[], Path] = PrivateAttr()

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Returns the kind of the artifact, such as ``lamquant.joint_checkpoint``; empty if nobody says."""
        return self._kind

    @property
    def path(self) -> Path:
        """Returns the bytes on this machine, a file or a directory, compared with their digest."""
        return self._open()


class WrongKind(ValueError):
    """Says that an artifact is not of the type that an input asks for, and names both."""


class Handed(typing.NamedTuple):
    """Describes an artifact that was found: its handle as JSON values, its kind, and the URI of its bytes.

    ``told`` says of which materialization it is; ``made`` is the artifact itself, where this process has it.
    """

    handle: Mapping[str, Any]
    kind: str
    uri: str = ""
    told: str = ""
    made: Artifact | None = None


def external(
    key: str | Sequence[str] | dg.AssetKey, *, kind: str | type[Artifact] = "", **options: Any
) -> dg.AssetSpec:
    """Declare an artifact that another code location makes, so that assets may take it as an input.

    It needs the resource ``blut_handles``, which is ``blut_assets.HANDLES``. What an asset gets of it, its
    annotation says: a ``pathlib.Path`` is its bytes, the class of an artifact its handle, and anything else
    that fits is an `ExternalArtifact`.

    Args:
        key: of the asset, such as ``lamquant/joint_checkpoint``.
        kind: the kind of the artifact or its class, where an input of another one is to be refused.
        options: of ``dg.AssetSpec``, such as ``group_name`` or ``partitions_def``.
    """
    known = kind if isinstance(kind, str) else kind.kind
    metadata = {**options.pop("metadata", {}), **({KIND: known} if known else {})}
    whole = dg.AssetKey.from_user_string(key) if isinstance(key, str) else dg.AssetKey.from_coercible(key)
    return dg.AssetSpec(whole, metadata=metadata, **options).with_io_manager_key(HANDLES_KEY)


def given_as(hint: Any, found: Handed, store: Callable[[], ArtifactStore], declared: Any = None) -> Any:
    """Returns an artifact as an input is annotated.

    Args:
        declared: the kind that the asset above is declared to make, if that is known.

    Raises:
        WrongKind: it is of another kind, or cannot be given so.
        NoHandle: it has not the fields of the class any more.
        ArtifactMissing: its bytes are asked for and not here.
    """
    asked, opened = _without_none(hint), partial(_bytes, found, store)
    if isinstance(declared, str) and found.kind not in ("", declared):
        raise WrongKind(f"is declared to be of kind {declared}, and is {_kind(found)}")
    if asked is Path:
        return opened()
    if asked in (Any, Artifact, ExternalArtifact, object):
        whole = ExternalArtifact.model_validate(found.handle)
        whole._kind, whole._open = found.kind, opened
        return whole
    if not (inspect.isclass(asked) and issubclass(asked, Artifact)):
        raise WrongKind(f"is asked for as {_name(hint)}, and is {_kind(found)}: {REMEDY}")
    if isinstance(found.made, asked):
        return found.made
    if found.kind and asked.kind != Artifact.kind and found.kind not in kinds_of(asked):
        raise WrongKind(f"is asked for as {asked.__name__} (kind {asked.kind}), and is {_kind(found)}")
    return typed(asked, found.handle)


def kinds_of(asked: type[Artifact]) -> set[str]:
    """Returns the kinds that an input of a class takes: its own, and those of what is derived from it."""
    return {asked.kind}.union(*map(kinds_of, asked.__subclasses__()))


def _kind(found: Handed) -> str:
    return f"an artifact of kind {found.kind}" if found.kind else "an artifact of Blut"


def _name(hint: Any) -> str:
    return hint.__name__ if inspect.isclass(hint) else str(hint)


def _without_none(hint: Any) -> Any:
    """Returns what an annotation asks for if it is there."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        asked = [one for one in typing.get_args(hint) if one is not type(None)]
        return asked[0] if len(asked) == 1 else hint
    return hint


def _bytes(found: Handed, store: Callable[[], ArtifactStore]) -> Path:
    """Returns verified bytes: of the store of this instance, else where whoever made them says they are."""
    digest = str(found.handle["digest"])
    try:
        return store().open(digest)
    except ArtifactMissing:
        place = Path(unquote(urlsplit(found.uri).path))
        if not found.uri.startswith("file:") or place.parts[-3:] != (digest[:2], digest, "data"):
            raise
        return ArtifactStore(place.parents[3]).open(digest)
