"""Every recipe with its arguments, and the objects that arguments are made of."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args

import dagster as dg

from blut_assets.cli.shell.describe import arguments, describe
from blut_assets.discovery import Discovered
from docs.generate.markdown import code, prose, table

HEAD = ("argument", "default", "allowed", "meaning")


def recipes(found: Discovered) -> str:
    """A section for each recipe, then one for each kind of object that an argument takes."""
    known = {recipe.name: recipe for cookbook in found.cookbooks for recipe in cookbook.recipes}
    described = describe(found)["recipes"]
    sections = [
        _recipe(one, known[one["name"]].args) for one in sorted(described, key=lambda one: one["name"])
    ]
    forms = {form.__name__: form for one in known.values() for form in _objects(one.args)}
    return "\n\n".join([*sections, *(_object(form) for _, form in sorted(forms.items()))])


def _recipe(one: dict[str, Any], form: type[dg.Config]) -> str:
    needs = ", ".join(code(kind) for kind in one["inputs"])
    assets = ", ".join(code(key) for key in one["assets"])
    facts = f"Cookbook {code(one['cookbook'])}; takes {needs}; makes {code(one['output'])}. It runs {assets}."
    return f"## {one['name']}\n\n{prose(one['description'])}\n\n{facts}\n\n{_table(one['arguments'], form)}"


def _table(rows: list[dict[str, str]], form: type[dg.Config]) -> str:
    cells = []
    for row in rows:
        inner = [one.__name__ for one in _forms_of(form.model_fields[row["argument"]].annotation)]
        allowed = f"[{inner[0]}](#{inner[0].lower()})" if inner else prose(row["allowed"])
        cells.append((code(row["argument"]), code(row["default"]), allowed, prose(row["meaning"])))
    return table(HEAD, cells)


def _objects(form: type[dg.Config]) -> Iterator[type[dg.Config]]:
    for info in form.model_fields.values():
        for one in _forms_of(info.annotation):
            yield one
            yield from _objects(one)


def _forms_of(annotation: Any) -> list[type[dg.Config]]:
    parts = (annotation, *get_args(annotation))
    return [one for one in parts if inspect.isclass(one) and issubclass(one, dg.Config)]


def _object(form: type[dg.Config]) -> str:
    summary = prose(inspect.cleandoc(form.__doc__ or "").split("\n\n")[0])
    return f"## {form.__name__}\n\n{summary}\n\n{_table(arguments(form, {}), form)}"
