"""Shows of a materialization, beside its facts, where it came from, and a look at its bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_resources.files.durable import ArtifactMissing
from blut_resources.runs.files import manifest_path
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.text import lines, markdown, one_line

URI, DIGEST, SIZE = "dagster/uri", "digest", "size_bytes"
"""Metadata by which a program that has no Blut finds the bytes: the first is a name of Dagster's own."""
KIND = "artifact_kind"
"""Metadata of an asset and of what it makes: the kind of the artifact, for who does not have its class."""
SHORT = 12
LONGEST = 4096
"""Characters of a text or path without line ends."""


def harmless(value: Any) -> Any:
    """Returns a value of metadata as the UI may have it:
    it draws nothing of a text, and can encode all of it.

    Dagster runs lines of text together, but not of Markdown. What is Markdown already stays that.
    """
    if isinstance(value, str):
        several = "\n" in lines(value)
        return dg.MetadataValue.md(markdown(value)) if several else one_line(value, LONGEST)
    if isinstance(value, dg.MarkdownMetadataValue):
        return dg.MetadataValue.md(lines(value.md_str or ""))
    if isinstance(value, dg.TextMetadataValue):
        return dg.MetadataValue.text(lines(value.text or ""))
    if isinstance(value, dg.PathMetadataValue):
        return dg.MetadataValue.path(one_line(value.path, LONGEST))
    if isinstance(value, dg.TableMetadataValue):
        records = [dg.TableRecord({k: _cell(v) for k, v in one.data.items()}) for one in value.records]
        return dg.MetadataValue.table(records, value.schema)
    return value


def _cell(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value


def inputs_shown(keys: Mapping[str, dg.AssetKey], inputs: Mapping[str, Artifact]) -> dict[str, Any]:
    """Returns every input with a link to its asset, and the version that was taken."""
    if not inputs:
        return {}
    rows = [
        f"| {markdown(name)} | [{keys[name].to_user_string()}](/assets/{'/'.join(keys[name].path)})"
        f" | `{artifact.digest[:SHORT]}` |"
        for name, artifact in inputs.items()
    ]
    return {"inputs": dg.MetadataValue.md("\n".join(["| input | asset | version |", "|---|---|---|", *rows]))}


def manifest_shown(home: Path, run_id: str) -> dict[str, Any]:
    """Returns the file that says of what, with what and on what the run was made."""
    path = manifest_path(home, run_id)
    return {"manifest": dg.MetadataValue.path(str(path))} if path.is_file() else {}


def bytes_shown(store: ArtifactStore, digest: str) -> dict[str, Any]:
    """Returns where the bytes lie on this machine, as a ``file:`` URI, their digest and how many they are."""
    try:
        stored = store.stored(digest)
    except ArtifactMissing:  # an artifact may stand for what is kept elsewhere
        return {DIGEST: digest}
    return {URI: stored.location.as_uri(), DIGEST: digest, SIZE: stored.n_bytes}
