"""Put generated parts where a page asks for them: a line ``<!-- generated: recipes -->``."""

import re
from collections.abc import Callable, Mapping

from blut_assets.discovery import Discovered
from docs.generate.api import api
from docs.generate.artifacts import artifacts
from docs.generate.commands import commands
from docs.generate.graph import pictures
from docs.generate.recipes import recipes
from docs.generate.variables import variables

PLACE = re.compile(r"^<!-- generated: (\w+) ?(\w*) -->$", re.MULTILINE)


def fill(text: str, found: Discovered) -> str:
    """The text of a page with its generated parts.

    Raises:
        KeyError: if it asks for a part, or for a cookbook, that does not exist.
    """
    cookbooks = {cookbook.name: cookbook for cookbook in found.cookbooks}
    parts: Mapping[str, Callable[[str], str]] = {
        "recipes": lambda _: recipes(found),
        "commands": lambda _: commands(),
        "variables": lambda _: variables(),
        "artifacts": lambda _: artifacts(found),
        "api": lambda _: api(),
        "graph": lambda name: pictures(cookbooks[name]),
    }
    return PLACE.sub(lambda match: parts[match[1]](match[2]), text)
