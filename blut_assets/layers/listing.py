"""Lists every value of a recipe's args with where it comes from, also those that nobody has said."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from blut_assets.layers.form import forms_in
from blut_assets.layers.resolve import Layered
from blut_assets.layers.values import KeyPath, ValueOrigin
from blut_assets.recipes import ArgsError
from blut_assets.recipes.args import origin_of
from blut_assets.stages.limits import LimitsConfig
from blut_assets.stages.spec import StageConfig
from blut_resources.containment.limits import variable_of
from blut_resources.settings import origin, settings

MISSING = "<required>"


class ListedValue(NamedTuple):
    """Holds a value, by the path of its keys, and where it comes from."""

    path: KeyPath
    value: Any
    origin: ValueOrigin

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values; ``file`` and ``line`` are null where no file says it."""
        file, line = (self.origin.place, self.origin.line) if self.origin.line else (None, None)
        key, layer = ".".join(self.path), self.origin.layer
        return {
            **{"key": key, "value": self.value, "layer": layer, "origin": str(self.origin)},
            **{"file": file, "line": line},
        }


def listed(found: Layered) -> list[ListedValue]:
    """Returns every value, in the order of the recipe's args; one that is lacking is `MISSING`.

    Raises:
        ArgsError: a value is not one that the recipe takes, in whatever else it lacks.
    """
    recipe, form = found.recipe, found.recipe.args
    lacks = [
        name for name, info in form.model_fields.items() if info.is_required() and name not in found.values
    ]
    try:
        values = found.parse((None,) if recipe.partitions is None else ()).model_dump(mode="json")
    except ArgsError as error:
        lack = f"{recipe.name}: required argument '"
        if others := [line for line in str(error).splitlines() if not line.startswith(lack)]:
            raise ArgsError("\n".join(others)) from None
        defaults = form.model_construct().model_dump(mode="json", warnings=False)
        values = {**_merged(defaults, found.values), **dict.fromkeys(lacks, MISSING)}
    return [*_below(found, form, values, ())]


def _merged(defaults: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    found = {**defaults, **said}
    for name, value in said.items():
        if isinstance(value, Mapping) and isinstance(below := defaults.get(name), Mapping):
            found[name] = _merged(below, value)
    return found


def _below(
    found: Layered, form: type[BaseModel], values: Mapping[str, Any], at: KeyPath
) -> Iterator[ListedValue]:
    for name, info in form.model_fields.items():
        path, value = (*at, name), values.get(name)
        inner = forms_in(info.annotation)
        if inner and isinstance(value, Mapping):
            yield from _below(found, inner[0], value, path)
        else:
            yield ListedValue(path, value, _origin(found, path, value, form, info))


def _origin(found: Layered, path: KeyPath, value: Any, form: type[BaseModel], info: FieldInfo) -> ValueOrigin:
    """Returns where a value was said, by itself or in the whole around it."""
    for length in range(len(path), 0, -1):
        if said := found.origins.get(path[:length]):
            return said
    if said := found.origin(path):
        return said
    if value == MISSING and info.is_required():
        return ValueOrigin("default", "nobody has given it")
    top = found.recipe.args.model_fields[path[0]]
    taken = origin_of(top)
    changed = taken and taken[0].model_fields[taken[1]].default != top.default
    stage = f"the stage, {taken[0].__name__}" if taken and taken[0] is not StageConfig else "every stage"
    whose = stage if taken and not changed else "the recipe"
    return ValueOrigin("default", f"default of {whose}{_besides(form, path, value)}")


def _besides(form: type[BaseModel], path: KeyPath, value: Any) -> str:
    """Returns which variable says a limit that the args leave open."""
    if value is not None or form is not LimitsConfig:
        return ""
    name = variable_of(LimitsConfig.NAMES.get(path[-1], path[-1]))
    return f"; {origin(name)} says {settings()[name]}" if settings().get(name) else ""
