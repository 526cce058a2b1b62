"""LLM: from a file of examples to a fine-tuned, verified and quantised model."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blut_assets.recipes import Cookbook


def cookbook() -> "Cookbook":
    """The entry point. Imports stay in here: payloads import this package and must not load Dagster."""
    from blut_assets.recipes import Cookbook

    return Cookbook(name="llm", assets=[], recipes=[])
