"""Collects what a promotion rests on, and writes it as one signed file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_assets.bundle.archive import MANIFEST, SIGNATURE, SIGNER, BundleFault, digest_of, write_zip
from blut_assets.bundle.keys import public_pem
from blut_assets.bundle.page import page
from blut_assets.bundle.travel import travels
from blut_assets.model_forms import files_below
from blut_resources.files.durable import new_file
from blut_resources.registry.models import Entry, ModelRegistry, RegistryError
from blut_resources.registry.verdicts import VERDICT_FILE, Verdict, parse_verdict
from blut_resources.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCHEMA = "blut.verdict_bundle.v1"
SIGNED = f"{SCHEMA}\0".encode()
"""What a signature is over, before the manifest: it can be taken for nothing else."""
CANDIDATE, HISTORY, ENVIRONMENT, PAGE = "candidate.json", "history.json", "environment.json", "page.html"
Members = dict[str, Path | bytes]


def export(
    registry: ModelRegistry,
    store: ArtifactStore,
    model: str,
    target: Path,
    key: "Ed25519PrivateKey",
    *,
    with_model: bool = False,
) -> list[str]:
    """Write what ``name@alias`` rests on; returns the names of the members.

    Raises:
        RegistryError: there is no such alias, or nothing was judged for it.
        StoreError: something of it is not in the store, or not sound; or the file cannot be written.
        BundleFault: the file is there already, or no cookbook knows such verdicts.
    """
    if os.path.lexists(target):
        raise BundleFault(f"{target}: is there already; name another file")
    members = collect(registry, store, model, with_model=with_model)
    members[SIGNATURE] = key.sign(SIGNED + members[MANIFEST])  # pyright: ignore[reportOperatorIssue]
    members[SIGNER] = public_pem(key.public_key())
    try:
        with new_file(target, mode=0o600) as file:
            write_zip(file, members)
    except FileExistsError:
        raise BundleFault(f"{target}: is there already; name another file") from None
    return sorted(members)


def collect(registry: ModelRegistry, store: ArtifactStore, model: str, *, with_model: bool) -> Members:
    """Returns every member but the signature, the manifest among them; raises as `export`."""
    entry, digest = _judged(registry, model)
    verdict = parse_verdict((store.open(digest) / VERDICT_FILE).read_bytes())
    cookbook, roles = _carried(verdict)
    digests = {**roles, "verdict": digest, "candidate": entry.candidate}
    if entry.floors and entry.floors not in digests.values() and store.has(entry.floors):
        digests["governing"] = entry.floors
    shown = {*roles, "verdict", *(digests.keys() & {"governing"}), *(["candidate"] if with_model else [])}
    members: Members = {}
    for role in sorted(shown):
        store.verify(digests[role], full=True)
        members |= _files(role, store.open(digests[role]))
    history = [
        one.model_dump(mode="json") for one in registry.history(entry.name) if one.alias == entry.alias
    ]
    files = {name: [size, hashed] for name, (size, hashed) in store.files(entry.candidate).items()}
    members[CANDIDATE] = _json({"digest": entry.candidate, "files": files})
    members[HISTORY] = _json(history)
    members[ENVIRONMENT] = _json(verdict.details.get("environment"))
    members[PAGE] = page(model, verdict, history, digests).encode()
    told = {name: digest_of(content) for name, content in members.items()}
    head = {"schema": SCHEMA, "model": model, "cookbook": cookbook, "digests": digests}
    members[MANIFEST] = _json({**head, "members": told})
    return members


def _judged(registry: ModelRegistry, model: str) -> tuple[Entry, str]:
    entry = registry.entry(model)
    if entry.verdict:
        return entry, entry.verdict
    if entry.version is None:
        raise RegistryError(f"{model} was promoted without a verdict: there is none to export")
    return entry, registry.registration(f"{entry.name}@{entry.version}", retired=True).verdict


def _carried(verdict: Verdict) -> tuple[str, Mapping[str, str]]:
    for name, travel in sorted(travels().items()):
        roles = travel.carried(verdict)
        if roles is not None:
            return name, roles
    raise BundleFault(
        f"no cookbook that is installed knows verdicts on {verdict.model}: install the one that does"
    )


def _files(role: str, root: Path) -> Members:
    return {f"{role}/{name}": path for name, path in files_below(root).items()}


def _json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
