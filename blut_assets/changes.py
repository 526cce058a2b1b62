"""Defines the args by which somebody answers for a change and its promotion, the same for every cookbook."""

import dagster as dg
from pydantic import Field

from blut_assets.recipes import RecipeArgs
from blut_resources.registry.records import Authority, governed_aliases
from blut_resources.registry.rules import SYNTHETIC, change_problems
from blut_resources.registry.verdicts import Change

DRY_RUN_ID = "dry-run"


class ChangeFields(dg.Config):
    """Describes a change, and on whose authority it is promoted."""

    change_id: str = Field(DRY_RUN_ID, min_length=1, max_length=128, description="of the change judged")
    description: str = Field("", description="of the change judged; a governed alias refuses an empty one")
    author: str = Field("blut", description="of the change judged; a governed alias wants a person's name")
    change_class: str = Field("retrain", min_length=1, description="the kind of change, in your words")
    allow_worse: str = Field(
        "",
        description="why the candidate may replace one that is better on the same sealed set;"
        " refused if empty",
    )
    new_sealed: str = Field(
        "",
        description="why it may be judged on another sealed set than the alias has been so far;"
        " refused if empty",
    )

    @property
    def change(self) -> Change:
        """Returns the change, as a verdict names it.

        Raises:
            ValueError: a text is too long, or holds what it may not.
        """
        return Change(**{name: getattr(self, name) for name in Change.model_fields})

    @property
    def authority(self) -> Authority:
        """Returns on whose authority it is promoted: this process's user, for the reasons that are given."""
        return Authority(allow_worse=self.allow_worse, new_sealed=self.new_sealed)


class ChangeArgs(RecipeArgs, ChangeFields):
    """Says what is judged and promoted, and on whose authority."""

    promote_as: str = Field("", description="name@alias; nothing is promoted if empty")


def refuse_unanswered(args: ChangeArgs, *, synthetic: bool = False) -> None:
    """Say before the training what a promotion to a governed alias would say after it.

    Args:
        synthetic: whether the data is known to be made up.

    Raises:
        ValueError: naming the args.
    """
    _, _, alias = args.promote_as.partition("@")
    if alias and synthetic and not alias.startswith(SYNTHETIC):
        raise ValueError(
            f"promote_as = {args.promote_as!r}: synthetic data is promoted to {SYNTHETIC}* aliases only"
        )
    if alias in governed_aliases() and (problems := change_problems(args.change)):
        raise ValueError(
            f"promote_as = {args.promote_as!r} is governed and takes a change that somebody answers for:"
            f" {'; '.join(problems)}: give change_id, description and author"
        )
