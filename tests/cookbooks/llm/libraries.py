"""Imported by the server of `tests.cookbooks.llm.forked`, in the order in which a payload would."""

from cookbooks.llm.training_loop.process import prepare_process

prepare_process(1)

import peft  # noqa: E402, F401
from transformers import AutoTokenizer, LlamaForCausalLM  # noqa: E402, F401
