"""Defines typed configs of `eval_suite`: models that need not come from a training here."""

from pydantic import Field

from blut_assets.stages import StageConfig
from cookbooks.llm.configs.corpus import MODEL, ModelPath

SCORED = f"{MODEL}; or a GGUF file"
FIELDS = {"base": "base_model", "tuned": "model_path", "quantised": "quantised_path"}
"""Role -> the field that names the model of it."""


class EvaluatedModelsConfig(StageConfig):
    """Names the models that are scored side by side: any of these, at least one."""

    base_model: ModelPath = Field("", description=f"what it was before: {SCORED}; not scored if empty")
    model_path: ModelPath = Field("", description=f"what it is now: {SCORED}; not scored if empty")
    quantised_path: ModelPath = Field(
        "",
        description="its GGUF: a file, or a directory with model.gguf; or model://name@alias or"
        " model://name@version, as registered",
    )

    @property
    def roles(self) -> dict[str, str]:
        """Returns what is given, by role."""
        return {role: name for role, field in FIELDS.items() if (name := getattr(self, field))}
