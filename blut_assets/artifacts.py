"""Defines the artifact: a frozen, typed, content-addressed reference to bytes in the artifact store."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict


class Artifact(BaseModel):
    """Travels between assets: facts about bytes, never the bytes and never a path.

    ``digest`` is the store's digest of the bytes and the Dagster data version of the asset. A stage
    function leaves it empty; `stage_asset` fills it in when it has put the bytes into the store.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = "artifact"
    digest: str = ""

    def stored_as(self, digest: str) -> Self:
        """Returns these facts, bound to the bytes with this digest."""
        return self.model_copy(update={"digest": digest})

    def facts(self) -> dict[str, Any]:
        """Returns every field except the digest, as JSON values."""
        return self.model_dump(mode="json", exclude={"digest"})
