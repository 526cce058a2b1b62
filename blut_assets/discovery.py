"""Find the installed cookbooks; a broken one is reported and left out, the others load."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

from blut_assets.chosen import chosen
from blut_assets.recipes import Cookbook

log = logging.getLogger("blut")


@dataclass
class Discovered:
    """Holds the cookbooks that loaded, and by name why others did not."""

    cookbooks: list[Cookbook] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def recipe_names(self) -> list[str]:
        """Returns the names of all recipes."""
        return [recipe.name for cookbook in self.cookbooks for recipe in cookbook.recipes]


def discover(found: Iterable[EntryPoint] | None = None) -> Discovered:
    """Load the cookbooks that are to be, in the order of their names.

    Raises:
        UnknownCookbook: $BLUT_COOKBOOKS names one that is not installed.
    """
    result = Discovered()
    points = chosen() if found is None else found
    for point in sorted(points, key=lambda point: point.name):
        try:
            cookbook = point.load()()
            _refuse_clash(cookbook, result)
        except Exception as error:  # third-party code: whatever it raises must not stop the others
            reason = f"{type(error).__name__}: {error}"
            result.left_out[point.name] = reason
            log.warning("cookbook %s (%s) is left out: %s", point.name, point.value, reason)
        else:
            result.cookbooks.append(cookbook)
    return result


def _refuse_clash(cookbook: Cookbook, result: Discovered) -> None:
    if not isinstance(cookbook, Cookbook):
        raise TypeError(f"the entry point returned {type(cookbook).__name__}, not a Cookbook")
    if cookbook.name in [other.name for other in result.cookbooks]:
        raise ValueError(f"another cookbook is already called {cookbook.name!r}")
    taken = {asset.key for other in result.cookbooks for asset in other.assets}
    clashes = [asset.key.to_user_string() for asset in cookbook.assets if asset.key in taken]
    clashes += [recipe.name for recipe in cookbook.recipes if recipe.name in result.recipe_names()]
    clashes += [
        f"blut {name}" for other in result.cookbooks for name in cookbook.commands if name in other.commands
    ]
    if clashes:
        raise ValueError(f"another cookbook already has {', '.join(clashes)}")
