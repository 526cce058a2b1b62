"""Starts the processes that judge a model, and says what they are computed by."""

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase

from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.payload_kit.cache import cache_root
from cookbooks.llm.llama.own import VARIABLE, named

NEEDED = ("PATH", "BLUT_LLAMA_KIT", "CC", "CXX")
DISTRIBUTIONS = (
    *("accelerate", "gguf", "jinja2", "numpy", "reasoning-gym", "safetensors", "scipy", "sentencepiece"),
    *("tokenizers", "torch", "transformers"),
)
"""What scores a model; versions of others change no figure."""


def clean_start(more: Iterable[str]) -> Isolation:
    """Start clean: none of the user's settings but where llama.cpp is, and ``more`` (``PIP_*``: all such).

    It is not kept from the machine: it needs the model, the rows, a device and maybe a compiler.
    """
    wanted = [*NEEDED, *filter(None, more)]
    passed = {
        name: value for name, value in os.environ.items() if any(fnmatchcase(name, one) for one in wanted)
    }
    own = named()  # as seen from here: it has another home, and starts elsewhere
    passed |= {VARIABLE: str(own)} if own else {}
    return Isolation(variables={"XDG_CACHE_HOME": str(cache_root().parent), **passed}, sandboxed=False)
