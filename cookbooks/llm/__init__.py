"""LLM: from a file of examples to a fine-tuned, verified and quantised model."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blut_assets.recipes import Cookbook


def cookbook() -> "Cookbook":
    """The entry point. Imports stay in here: payloads import this package and must not load Dagster."""
    from blut_assets.recipes import Cookbook
    from cookbooks.llm.corpus import preference_dataset, preference_split, sft_dataset, sft_split
    from cookbooks.llm.sources import base_model, examples, preferences, teacher_model

    return Cookbook(
        name="llm",
        assets=[
            *(examples, preferences, base_model, teacher_model),
            *(sft_dataset, sft_split, preference_dataset, preference_split),
        ],
        recipes=[],
    )
