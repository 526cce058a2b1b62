"""Leads from a file of examples to a fine-tuned, verified and quantised model: the LLM cookbook."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blut_assets.recipes import Cookbook


def cookbook() -> "Cookbook":
    """Returns the entry point.

    Imports stay in here: payloads import this package and must not load Dagster.
    """
    from blut_assets.floors import FloorsFormat
    from blut_assets.recipes import Cookbook
    from blut_assets.tools import Tool
    from blut_resources.runs.intent import Intents
    from cookbooks.llm.corpus import preference_dataset, preference_split, sft_dataset, sft_split
    from cookbooks.llm.data_kinds import KINDS
    from cookbooks.llm.exports.forms import FORMS
    from cookbooks.llm.gate import bundle
    from cookbooks.llm.gate.floors import EXAMPLE, SCHEMA, pinned_floors
    from cookbooks.llm.gguf import gguf_preflight
    from cookbooks.llm.llama.own import described
    from cookbooks.llm.recipes.suite import EVAL_SUITE
    from cookbooks.llm.recipes.tails import DISTILLED_TAIL, DPO_TAIL, SFT_TAIL
    from cookbooks.llm.recipes.training import (
        DISTILL,
        DPO,
        FINETUNE,
        FINETUNE_CONVERSATIONS,
        HF_FINETUNE,
    )
    from cookbooks.llm.sources import base_model, examples, preferences, teacher_model
    from cookbooks.llm.suite import evaluated_models, evaluated_rows, evaluated_tokenizer, suite_evaluation
    from cookbooks.llm.training import distilled_checkpoint, dpo_checkpoint, sft_checkpoint
    from cookbooks.llm.verdict import evaluation_tasks
    from cookbooks.pytorch import TORCH, VARIABLES

    tails = [SFT_TAIL, DPO_TAIL, DISTILLED_TAIL]
    return Cookbook(
        name="llm",
        assets=[
            *(examples, preferences, base_model, teacher_model, gguf_preflight, evaluation_tasks),
            *(sft_dataset, sft_split, preference_dataset, preference_split),
            *(sft_checkpoint, dpo_checkpoint, distilled_checkpoint),
            *(evaluated_models, evaluated_tokenizer, evaluated_rows, suite_evaluation),
            *(asset for tail in tails for asset in tail.assets),
        ],
        recipes=[
            *(FINETUNE, FINETUNE_CONVERSATIONS, HF_FINETUNE),
            *(DPO, DISTILL, EVAL_SUITE),
        ],
        checks=[tail.check for tail in tails],
        data=KINDS,
        intents=Intents(small={"max_steps": 10}, names=("promote_as", "register_as", "alias")),
        floors=[FloorsFormat(SCHEMA, pinned_floors, EXAMPLE)],
        travel=bundle,
        forms=FORMS,
        extras=["blut[llm]"],
        tools=[
            Tool("g++", "llama.cpp is built for GGUF"),
            Tool("cmake", "as g++"),
            Tool(
                "llama.cpp", "GGUF files are made and checked with it", "the first GGUF builds it", described
            ),
            TORCH,
        ],
        variables=[*VARIABLES, "GGML_*", "LLAMA_*", "TOKENIZERS_*", "TRANSFORMERS_*", "DATASETS_*", "HF_*"],
    )
