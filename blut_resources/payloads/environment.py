"""Makes a payload's environment: what it computes with, and nothing that opens other doors.

A training needs paths, a locale and the settings of numeric libraries; it needs no token, no proxy's password
and no agent's socket, and it runs code and reads files of others. So what is passed is listed. A cookbook
declares the settings of the libraries that it computes with, a stage names what its payload needs besides,
and ``$BLUT_PAYLOAD_ENV`` what the user wants passed to all of them.
"""

import re
from collections.abc import Iterable, Mapping

MORE = "BLUT_PAYLOAD_ENV"
"""Names, separated by commas or blanks; one that ends in ``*`` stands for all that begin so."""
LISTED = (
    *(
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TERM",
        "TMPDIR",
        "TZ",
        "LANG",
        "LANGUAGE",
        "LC_*",
        "XDG_*",
    ),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD", "MALLOC_*", "GLIBC_*", "COVERAGE_*"),
    *("PYTHONHASHSEED", "PYTHONFAULTHANDLER", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE", "PYTHONMALLOC"),
    *("PYTHONPYCACHEPREFIX", "PYTHONUSERBASE", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING"),
    *(
        "OMP_*",
        "KMP_*",
        "GOMP_*",
        "MKL_*",
        "OPENBLAS_*",
        "BLIS_*",
        "NUMEXPR_*",
        "NUMBA_*",
    ),
    *(
        "CUDA_*",
        "CUBLAS_*",
        "CUDNN_*",
        "NVIDIA_*",
        "NCCL_*",
        "GLOO_*",
        "HIP_*",
        "HSA_*",
        "ROCR_*",
        "MIOPEN_*",
    ),
    *("DAGSTER_PIPES_*", "SLURM_*", "BLUT_*", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_*"),
)
FETCHING = (
    *("PIP_*", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NETRC"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""What a payload needs besides that fetches from a package index; index and proxy may have passwords."""
declared: list[str] = []
"""What the cookbooks of this process compute with besides; `blut_assets.definitions` fills it."""
OWN = "BLUT_ARG_"
"""What is said to the command, which puts it into the args; a payload that read it would go by two."""
SECRET = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|(^|_)(KEY|AUTH|JUDGE|ALERT)(_|$)|APIKEY")
"""Names that are passed only where somebody asks for them by name."""


def payload_environment(there: Mapping[str, str], needs: Iterable[str] = ()) -> dict[str, str]:
    """Returns those of the variables that are there which a payload gets.

    Args:
        needs: names besides the listed ones, or beginnings of names with ``*``.
    """
    asked = _Names([*needs, *re.split(r"[,\s]+", there.get(MORE, ""))])
    passed = _Names([*LISTED, *declared])
    return {
        name: value
        for name, value in there.items()
        if name in asked or (name in passed and not SECRET.search(name.upper()) and not name.startswith(OWN))
    }


def secret_names(env: Mapping[str, str], needs: Iterable[str] = ()) -> list[str]:
    """Returns the variables of a payload that may be secrets: by their names, or asked for by name.

    Args:
        needs: names besides the listed ones, or beginnings of names with ``*``.
    """
    asked = _Names(needs)
    return sorted(name for name in env if name in asked or SECRET.search(name.upper()))


class _Names:
    def __init__(self, names: Iterable[str]) -> None:
        self._whole = {name for name in names if name and not name.endswith("*")}
        self._begin = tuple(name[:-1] for name in names if len(name) > 1 and name.endswith("*"))

    def __contains__(self, name: str) -> bool:
        return name in self._whole or name.startswith(self._begin)
