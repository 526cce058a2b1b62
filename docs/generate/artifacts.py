"""Every artifact with its fields, and the assets that leave it."""

from blut_assets.artifacts import Artifact
from blut_assets.discovery import Discovered
from blut_assets.pages.documentation import columns, summary
from blut_assets.stages.spec import spec_of
from docs.generate.markdown import code, prose, table


def artifacts(found: Discovered) -> str:
    """A section for each type of artifact that an asset of a cookbook leaves, by its kind."""
    makers: dict[type[Artifact], list[str]] = {}
    for cookbook in found.cookbooks:
        for asset in cookbook.assets:
            if spec := spec_of(asset):
                makers.setdefault(spec.output, []).append(spec.key.to_user_string())
    ordered = sorted(makers.items(), key=lambda item: (item[0].kind, item[0].__name__))
    return "\n\n".join(_section(artifact, keys) for artifact, keys in ordered)


def _section(artifact: type[Artifact], keys: list[str]) -> str:
    rows = [
        (code(column.name), column.type, prose(column.description or ""))
        for column in columns(artifact).columns
    ]
    by = ", ".join(code(key) for key in keys)
    where = f"Class {code(f'{artifact.__module__}.{artifact.__name__}')}; left by {by}."
    words = f"## {artifact.kind}\n\n{prose(summary(artifact))}\n\n{where}"
    return f"{words}\n\n{table(('field', 'type', 'meaning'), rows)}" if rows else words
