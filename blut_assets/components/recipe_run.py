"""Defines the component that runs a recipe with fixed args, by hand, by a schedule or by a condition."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import ConfigDict, Field

from blut_assets.building import VALIDATING, owners_of
from blut_assets.components.lookup import RecipeLeftOut, recipe_called
from blut_assets.components.scaffolding import RecipeRunScaffolder
from blut_assets.components.schedules import schedule_of
from blut_assets.recipes import ArgsError, Recipe
from blut_assets.stages.executor import in_process_or_multiprocess
from blut_resources.files.documents import MOST, read_yaml
from blut_resources.text import one_line

log = logging.getLogger("blut")


def _resolved(context: dg.ResolutionContext, value: Any) -> Any:
    """Returns args with templates filled in; Dagster would make a number of any text that looks like one."""
    if isinstance(value, Mapping):
        return {name: _resolved(context.at_path(name), one) for name, one in value.items()}
    if isinstance(value, list):
        return [_resolved(context.at_path(number), one) for number, one in enumerate(value)]
    return context.resolve_value(value) if isinstance(value, str) and "{{" in value else value


CONDITION = "{{ dg.AutomationCondition.any_job_root_assets_match(dg.AutomationCondition.on_cron('@daily')) }}"
"""An example: at midnight, if something of what the recipe begins with is older."""


def _condition(_: dg.ResolutionContext, value: Any) -> Any:
    if value is None or isinstance(value, dg.AutomationCondition):
        return value
    raise ValueError(f'automation_condition = {value!r}: write a template, such as "{CONDITION}"')


@dg.scaffold_with(RecipeRunScaffolder)
class RecipeRun(dg.Component, dg.Model, dg.Resolvable):
    """Runs a recipe of an installed cookbook with fixed args.

    It makes a job, and a schedule where `cron_schedule` is set. The assets are those of
    `blut_assets.build_definitions()`, which the project loads beside it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    recipe: Annotated[str, Field(description="its name, as in `blut recipe list`")]
    args: Annotated[
        dict[str, Any] | str | None,
        dg.Resolver(
            _resolved,
            inject_before_resolve=False,
            description="of the recipe, or @FILE of YAML or JSON; relative paths count from the project",
        ),
    ] = Field(default_factory=dict)
    name: Annotated[
        str | None, Field(description="of the job; that of the directory of this file if empty")
    ] = None
    description: Annotated[str | None, Field(description="of the job; that of the recipe if empty")] = None
    tags: Annotated[dict[str, str], Field(description="of the job and of its runs")] = Field(
        default_factory=dict
    )
    owners: Annotated[
        list[str], Field(description="addresses, or teams as team:NAME; those of the cookbook if empty")
    ] = Field(default_factory=list)
    cron_schedule: Annotated[
        str | list[str] | None, Field(description='when it runs, such as "0 2 * * *"; never if empty')
    ] = None
    execution_timezone: Annotated[
        str | None, Field(description="of the schedule, such as Europe/Berlin; UTC if empty")
    ] = None
    default_status: Annotated[
        Literal["STOPPED", "RUNNING"],
        Field(description="of the schedule, until somebody switches it in the UI"),
    ] = "STOPPED"
    automation_condition: Annotated[
        dg.AutomationCondition | None,
        dg.Resolver(
            _condition, model_field_type=str, description="a template of a condition of jobs, for the daemon"
        ),
    ] = None
    in_process: Annotated[
        bool, Field(description="all steps in one process; if not, the executor of the project's definitions")
    ] = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Returns the job and its schedule; nothing, with a warning, where its cookbook is left out.

        Raises:
            ArgsError: there is no such recipe, or it does not take these args; the message names the file.
                Where definitions are validated, also that its cookbook is left out.
        """
        try:
            recipe, book = recipe_called(self.recipe)
            job = self._job(recipe, self.owners or owners_of(book), context)
            schedules = self._schedules(recipe, job)
        except RecipeLeftOut as error:
            if os.environ.get(VALIDATING):
                raise ArgsError(_placed(error, context)) from None
            log.warning("%s", _placed(error, context))
            return dg.Definitions()
        except ArgsError as error:
            raise ArgsError(_placed(error, context)) from None
        return dg.Definitions(jobs=[job], schedules=schedules)

    def _job(self, recipe: Recipe, owners: Sequence[str], context: dg.ComponentLoadContext) -> Any:
        options: dict[str, Any] = {"owners": owners}
        if self.automation_condition:
            options["automation_condition"] = self.automation_condition
        return recipe.fixed(
            self.name or (context.path.parent if context.path.is_file() else context.path).name,
            self._values(context.project_root),
            relative_to=context.project_root,
            tags=self.tags,
            executor=in_process_or_multiprocess if self.in_process else None,
            description=self.description or recipe.description,
            **options,
        )

    def _values(self, project: Path) -> Mapping[str, Any]:
        if self.args is None or isinstance(self.args, dict):
            return self.args or {}
        if not self.args.startswith("@"):
            raise ArgsError(f"args = {self.args!r}: give a mapping, or @FILE with one in it")
        path = project / self.args[1:]
        try:
            with path.open("rb") as file:
                values = read_yaml(file.read(MOST + 1), str(path), MOST)
        except (OSError, ValueError) as error:
            raise ArgsError(f"args = {self.args!r}: {error}") from None
        if not isinstance(values, dict):
            raise ArgsError(f"args = {self.args!r}: {path} holds no mapping, but {type(values).__name__}")
        return values

    def _schedules(self, recipe: Recipe, job: Any) -> Sequence[dg.ScheduleDefinition]:
        if not self.cron_schedule:
            for name in ("execution_timezone", "default_status"):
                if (value := getattr(self, name)) != type(self).model_fields[name].default:
                    raise ArgsError(
                        f"{name} = {value!r}: there is no schedule: give cron_schedule, or leave it out"
                    )
            return []
        status = dg.DefaultScheduleStatus(self.default_status)
        try:
            return [schedule_of(job, recipe.partitions, self.cron_schedule, self.execution_timezone, status)]
        except dg.DagsterInvalidDefinitionError as error:
            when = f"cron_schedule = {self.cron_schedule!r}, execution_timezone = {self.execution_timezone!r}"
            raise ArgsError(f"{when}: {one_line(error)}") from None


def _placed(error: ArgsError, context: dg.ComponentLoadContext) -> str:
    """Returns the lines of an error, each with the file that it is about."""
    path, project = context.path, context.project_root
    here = path if path.is_file() else path / "defs.yaml"
    where = here.relative_to(project) if here.is_relative_to(project) else here
    return "\n".join(f"{where}: {line}" for line in str(error).splitlines())
