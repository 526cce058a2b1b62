"""Puts the second tier behind a store, where ``$BLUT_REMOTE`` names one."""

from blut_resources.payload_kit.refuse import Refused
from blut_resources.remote.address import EXAMPLES, REMOTE, remote_address
from blut_resources.settings import origin, settings
from blut_resources.store.artifacts import ArtifactStore

PUSH = "BLUT_REMOTE_PUSH"


def pushes(asked: bool | None) -> bool:
    """Says whether results are to be pushed: what a config asks, else what ``$BLUT_REMOTE_PUSH`` says.

    Raises:
        Refused: that is neither 0 nor 1, or there is no remote to push to.
    """
    text = settings().get(PUSH, "").strip()
    if text not in ("", "0", "1"):
        raise Refused(f"{origin(PUSH)}={text}: give 1 to push every result to ${REMOTE}, or 0")
    wanted = text == "1" if asked is None else asked
    if wanted and not remote_address():
        by = f"{origin(PUSH)}=1" if asked is None else "push=true"
        raise Refused(f"{by}: there is nowhere to push to; set ${REMOTE} to {EXAMPLES}")
    return wanted


def with_remote(store: ArtifactStore) -> ArtifactStore:
    """Returns a store, with what ``$BLUT_REMOTE`` names behind it."""
    if url := remote_address():
        from blut_resources.remote.beyond import Beyond

        store.beyond = Beyond(store, url)
    return store
