"""Loads a model directory in transformers, and nothing less than the whole of it.

What transformers finds missing it makes up at random, and what it does not know it leaves out, both with no
more than a line in a log.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.refuse import Refused

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OPTIONAL = re.compile(r"lm_head\.weight$|inv_freq$|masked_bias$")
"""Tensors that some programs save and others make anew; a tied output is the embedding."""
SHOWN = 3
"""Tensors that an error names."""


def load_whole(base: Path, **options: Any) -> "PreTrainedModel":
    """Returns a causal language model, from its own files and by transformers' own code only.

    Args:
        options: for ``from_pretrained``, such as ``dtype``.

    Raises:
        Refused: weights are missing or of another shape than ``config.json`` says,
            or there are some that would not be loaded.
    """
    from transformers import AutoModelForCausalLM

    own = {"local_files_only": True, "trust_remote_code": False, "output_loading_info": True}
    # reported with the others below
    both: Any = AutoModelForCausalLM.from_pretrained(base, ignore_mismatched_sizes=True, **own, **options)
    model, found = both
    wrong = {
        "lacks": list(found["missing_keys"]),
        "has another shape than config.json says for": [name for name, *_ in found["mismatched_keys"]],
        "has what its architecture in config.json does not load:": [
            name for name in found["unexpected_keys"] if not OPTIONAL.search(name)
        ],
    }
    told = [f"{what} {_some(names)}" for what, names in wrong.items() if names]
    if told:
        raise Refused(
            f"model {base.name!r} {' and '.join(told)}; fetch it again, or take config.json and weights of"
            " one and the same model"
        )
    return model


def model_class(base: Path) -> Any:
    """Returns the class of transformers that a directory's config asks for.

    Raises:
        Refused: it has none for a causal language model.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise Refused(
            f"base_model: {type(config).__name__} is no causal language model that transformers knows"
        )
    return MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]


def left_out(base: Path) -> re.Pattern[str]:
    """Returns what finds the tensors of a directory that its class leaves out knowingly,
    such as heads that only speed up generation.
    """
    return re.compile("|".join(model_class(base)._keys_to_ignore_on_load_unexpected or ["(?!)"]))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more
