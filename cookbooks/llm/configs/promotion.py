"""Defines the typed config of a registration, and what its names must be."""

from pydantic import Field

from blut_assets.changes import ChangeArgs, ChangeFields
from blut_assets.recipes import like
from blut_assets.stages import StageConfig
from blut_resources.registry.log import check_alias
from blut_resources.registry.models import RegistryError, registry_name

MOST_NATS = 20.0
"""No loss per token differs by more: that would be one in 485 million."""
LOSS_INCREASE = (
    "for a governed alias: held-out loss of the GGUF minus that of the base model, nats per token, at most;"
    " the upper end of the 95 % interval counts"
)


class RegisteredConfig(StageConfig, ChangeFields):
    """Says under which name a GGUF is registered, and what a governed alias asks of it."""

    name: str = Field("", description="in the registry; from the name of the model if empty")
    alias: str = like(ChangeArgs, "promote_as")
    max_loss_increase: float = Field(0.0, ge=-MOST_NATS, le=MOST_NATS, description=LOSS_INCREASE)
    min_eval_rows: int = Field(
        20, ge=1, description="for a governed alias: held-out rows that both models were scored on, at least"
    )


def names_of(name: str, promote_as: str) -> tuple[str, str]:
    """Returns the registered name of a model and the alias to promote it to, if any.

    Raises:
        ValueError: one of them is none, or ``promote_as`` is about another model.
    """
    try:
        registered = registry_name(name)
        named, separator, alias = promote_as.partition("@")
        if promote_as:
            if not separator or named != registered:
                raise RegistryError(f"give {registered}@ALIAS, such as {registered}@staging")
            check_alias(alias)
    except RegistryError as error:
        raise ValueError(f"promote_as = {promote_as!r}: {error}" if promote_as else str(error)) from error
    return registered, alias
