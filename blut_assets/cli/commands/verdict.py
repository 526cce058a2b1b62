"""Implements `blut verdict`: send what an alias rests on to somebody else, and look at what was sent."""

import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from blut_assets.cli.shell import completion
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import failed, wrong
from blut_resources.registry.models import RegistryError
from blut_resources.registry.verdicts import PromotionRefused
from blut_resources.store.artifacts import StoreError
from blut_resources.text import one_line

app = group("Verdicts that travel: export, verify, keys.")

F = TypeVar("F", bound=Callable[..., None])
Model = Annotated[
    str,
    typer.Argument(metavar="NAME@ALIAS", help="Such as mine@prod.", autocompletion=completion.complete_alias),
]


def explained(command: F) -> F:
    """End with status 1 where a file, a key or a verdict is wrong, with 2 for an unknown name."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from blut_assets.bundle.archive import BundleFault
        from blut_assets.bundle.keys import KeyFault

        try:
            command(*args, **kwargs)
        except (BundleFault, KeyFault, PromotionRefused, StoreError) as error:
            failed(str(error))
        except RegistryError as error:
            wrong(str(error))
        except OSError as error:
            failed(f"{error.filename}: {error.strerror}")

    return run  # type: ignore[return-value]


@app.command()
@explained
def keygen(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")]) -> None:
    """Make an Ed25519 key: FILE, which only you may read, and FILE.pub for those who are to believe it."""
    from blut_assets.bundle.keys import fingerprint, make_key, public_keys

    public = make_key(file)
    print(f"{file}: private, keep it to yourself\n{public}: public, {fingerprint(public_keys(public)[0])}")


@app.command()
@explained
def export(
    model: Model,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="A new file.")],
    key: Annotated[Path, typer.Option(help="Your private Ed25519 key; `blut verdict keygen` makes one.")],
    with_model: Annotated[
        bool, typer.Option("--with-model", help="With the model itself, which may be large.")
    ] = False,
) -> None:
    """Write what NAME@ALIAS rests on to one signed file: candidate, verdict, floors, history, and a page."""
    from blut_assets.bundle.export import export as write
    from blut_assets.bundle.keys import fingerprint, private_key
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.registry.models import ModelRegistry

    signing = private_key(key)
    with open_instance(write=False) as instance:
        store = store_of(instance)
        members = write(
            ModelRegistry(store.root / "registry"), store, model, file, signing, with_model=with_model
        )
    print(f"{file}: {len(members)} files, signed by {fingerprint(signing.public_key())}; read page.html")


@app.command()
@explained
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="What somebody exported.")],
    key: Annotated[Path | None, typer.Option(help="The signer's public key.")] = None,
    keys: Annotated[Path | None, typer.Option(help="A file of public keys that are believed.")] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="The corpus; the verdict is measured on it again.")
    ] = None,
) -> None:
    """Check signature and every byte of an exported verdict; measure it again where the corpus is."""
    from blut_assets.bundle.keys import public_keys
    from blut_assets.bundle.verify import verify as check

    trusted = [one for path in (key, keys) if path for one in public_keys(path)]
    with tempfile.TemporaryDirectory(prefix="blut-verdict-") as folder:
        seen = check(file, trusted, Path(folder), corpus)
    verdict, now = seen.verdict, seen.history[-1] if seen.history else {}
    print(
        f"{one_line(seen.model)}: {'passed' if verdict.passed else 'FAILED'}, {len(verdict.criteria)} floors"
    )
    change = one_line(verdict.change.change_id)
    print(f"candidate {verdict.candidate[:12]}, change {change}, promoted {one_line(now.get('at'))}")
    print(
        f"isolation {verdict.isolation or 'not said'}, environment {(verdict.environment or 'not said')[:12]}"
    )
    print(f"{seen.n_members} files are those that were signed by {seen.signer}")
    if seen.again is not None:
        print("measured again: " + ("the same" if not seen.again else "\n  ".join(map(one_line, seen.again))))
    if seen.again:
        failed("measured again, it comes out otherwise")
    if not seen.trusted:
        failed(f"signed by an unknown key, {seen.signer}: give --key or --keys with a key that you believe")
