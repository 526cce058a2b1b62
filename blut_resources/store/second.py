"""Names what a store asks of the place where artifacts may be that it lacks."""

from typing import Protocol

from blut_resources.store.results import Result


class SecondTier(Protocol):
    """Holds artifacts and notes that a store may lack.

    Attributes:
        told: what somebody who reads of the run should know, since it was last taken.
    """

    told: list[str]

    def fetch(self, digest: str) -> bool:
        """Copy an artifact into the store; says whether it is there now. Raises StoreError."""
        ...

    def size(self, digest: str) -> int | None:
        """Returns how many bytes an artifact has there; None if it is not to be had."""
        ...

    def notes(self, fingerprint: str) -> list[Result]:
        """Returns the results with a fingerprint that are noted there, the newest first."""
        ...

    def keep(self, fingerprint: str, digest: str) -> None:
        """Keep the note of a result whose bytes were pulled."""
        ...

    def push(self, fingerprint: str, digest: str) -> None:
        """Copy a result and its note there; where that cannot be done, it is told."""
        ...
