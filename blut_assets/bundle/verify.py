"""Looks at a verdict that somebody sent: who signed it, whether it is whole, whether it comes out again."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_assets.bundle.archive import MANIFEST, SIGNATURE, SIGNER, UNSIGNED, BundleFault, Reader
from blut_assets.bundle.export import HISTORY, SCHEMA, SIGNED
from blut_assets.bundle.keys import fingerprint
from blut_assets.bundle.travel import travels
from blut_assets.travel import Travel
from blut_resources.files.digest import digest_path
from blut_resources.files.durable import StoreError
from blut_resources.registry.verdicts import VERDICT_FILE, PromotionRefused, Verdict, parse_verdict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True)
class Seen:
    """Holds a verdict that is what its signer wrote.

    Attributes:
        model: ``name@alias`` that it was exported for.
        verdict: the judgement.
        signer: fingerprint of the key.
        trusted: whether that key is one of those that are believed.
        n_members: files in it.
        history: of the alias, newest last.
        again: what came out otherwise when it was measured again; None if it was not.
    """

    model: str
    verdict: Verdict
    signer: str
    trusted: bool
    n_members: int
    history: list[dict[str, Any]]
    again: list[str] | None


def verify(
    path: Path, trusted: Collection["Ed25519PublicKey"], folder: Path, corpus: Path | None = None
) -> Seen:
    """Check a file, unpacked into ``folder``, and measure again where the corpus is given.

    Raises:
        BundleFault: it is not what was signed, or contradicts itself; the message names the member.
    """
    with path.open("rb") as file:
        reader = Reader(file)
        signer = _signed_by(reader)
        manifest = _manifest(reader)
        members: dict[str, Any] = manifest["members"]
        for name in sorted({*reader.names} - {*members, *UNSIGNED}):
            raise BundleFault(f"{name}: is no part of what was signed")
        for name in sorted(members):
            reader.unpack(name, members[name], folder)
        written = {name: folder / name for name in members}
        reader.refuse_other_bytes({**written, **{name: reader.read(name) for name in UNSIGNED}})
    travel, verdict = _checked(manifest, folder)
    history = json.loads((folder / HISTORY).read_bytes())
    return Seen(
        model=manifest["model"],
        verdict=verdict,
        signer=fingerprint(signer),
        trusted=signer in trusted,
        n_members=len(members),
        history=history,
        again=None if corpus is None else travel.again(folder, verdict, corpus),
    )


def _signed_by(reader: Reader) -> "Ed25519PublicKey":
    """Returns the key that the manifest was signed with; whether it is to be believed is another question."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(reader.read(SIGNER))
    except ValueError as error:
        raise BundleFault(f"{SIGNER}: is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleFault(f"{SIGNER}: is no Ed25519 key")
    try:
        key.verify(reader.read(SIGNATURE), SIGNED + reader.read(MANIFEST))
    except InvalidSignature:
        raise BundleFault(f"{MANIFEST}: {SIGNATURE} is not its signature by the key in {SIGNER}") from None
    return key


def _manifest(reader: Reader) -> dict[str, Any]:
    try:
        manifest = json.loads(reader.read(MANIFEST))
        if manifest["schema"] != SCHEMA:
            raise BundleFault(f"{MANIFEST}: is {manifest['schema']!r}, and this Blut reads {SCHEMA}")
        told = [*manifest["digests"].values(), manifest["model"], manifest["cookbook"]]
        sizes = [(one["bytes"], one["sha256"]) for one in manifest["members"].values()]
        if not all(isinstance(one, str) for one in told) or not all(
            isinstance(size, int) for size, _ in sizes
        ):
            raise TypeError("a digest is no text, or a size no number")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleFault(f"{MANIFEST}: is no manifest: {error!r}") from error
    return manifest


def _checked(manifest: dict[str, Any], folder: Path) -> tuple[Travel, Verdict]:
    digests: dict[str, str] = manifest["digests"]
    for role, digest in sorted(digests.items()):
        try:
            if (folder / role).is_dir() and digest_path(folder / role) != digest:
                raise BundleFault(
                    f"{role}: its files do not have the digest {digest} that the manifest names"
                )
        except StoreError as error:
            raise BundleFault(f"{role}: {error}") from error
    travel = travels().get(manifest["cookbook"])
    if travel is None:
        raise BundleFault(f"{MANIFEST}: cookbook {manifest['cookbook']!r} is not installed here")
    try:
        verdict = parse_verdict((folder / "verdict" / VERDICT_FILE).read_bytes())
    except (OSError, PromotionRefused) as error:
        raise BundleFault(f"verdict/{VERDICT_FILE}: {error}") from error
    found = travel.problems(folder, verdict, digests)
    if found:
        raise BundleFault(f"verdict/{VERDICT_FILE}: {'; '.join(found)}")
    return travel, verdict
