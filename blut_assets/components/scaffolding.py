"""Writes what `dg scaffold defs` begins a `RecipeRun` with: every arg of its recipe, with its default."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import yaml
from pydantic import BaseModel, Field, field_validator

from blut_assets.components.lookup import recipe_called
from blut_assets.recipes import Recipe
from blut_assets.recipes.args import allowed_values
from blut_assets.stages.spec import COMMON

UNSET = """\
  # All that may be said besides, with a value for each:
  # name: {name}
  # description: "what the job page says"
  # tags: {{team: lab}}
  # owners: ["team:lab"]
  # cron_schedule: "0 2 * * *"
  # execution_timezone: Europe/Berlin
  # default_status: RUNNING
  # automation_condition: "{{{{ dg.AutomationCondition.any_job_root_assets_match(\
dg.AutomationCondition.on_cron('@daily')) }}}}"
  # in_process: false

"""


class RecipeRunParams(BaseModel):
    """Holds the options of `dg scaffold defs`."""

    recipe: str = Field(description="name of a recipe, as in `blut recipe list`")

    @field_validator("recipe")
    @classmethod
    def _there_is_one(cls, name: str) -> str:
        recipe_called(name)
        return name


class RecipeRunScaffolder(dg.Scaffolder[RecipeRunParams]):
    """Writes ``defs.yaml`` with every arg of a recipe."""

    @classmethod
    def get_scaffold_params(cls) -> type[RecipeRunParams]:
        """Returns the options of `dg scaffold defs`."""
        return RecipeRunParams

    def scaffold(self, request: dg.ScaffoldRequest[RecipeRunParams]) -> None:
        """Write the file, or the beginning of a Python one where that is asked for."""
        if request.scaffold_format == "python":
            return dg.scaffold_component(request, {})
        recipe, _ = recipe_called(request.params.recipe)
        path = request.target_path if request.append else request.target_path / "defs.yaml"
        text = document(request.type_name, recipe, path.parent.name)
        with path.open("a" if request.append else "w", encoding="utf-8") as file:
            file.write(f"---\n{text}" if request.append else text)
        return None


def document(type_name: str, recipe: Recipe, name: str) -> str:
    """Returns YAML of the component with every arg of a recipe, those that must be given first.

    Args:
        name: of the directory, which becomes that of the job.
    """
    head = f"type: {type_name}\n\nattributes:\n  recipe: {recipe.name}\n\n{UNSET.format(name=name)}  args:\n"
    return head + "".join(f"    {line}\n" for line in _args(recipe))


def _args(recipe: Recipe) -> Iterator[str]:
    # what every recipe takes comes last
    for name, value in sorted(recipe.template().items(), key=lambda one: one[0] in COMMON):
        info = recipe.args.model_fields[name]
        needed = "required; " if info.is_required() else ""
        yield " ".join(f"# {needed}{info.description or allowed_values(info)}".split())
        yield from _entry(name, "" if info.is_required() else value)


def _entry(name: str, value: Any) -> list[str]:
    text = yaml.safe_dump({name: value}, allow_unicode=True, sort_keys=False, width=1000)
    return text.splitlines()
