"""Says where the payloads of one asset run."""

from blut_resources.launchers.base import Launcher
from blut_resources.launchers.choose import chosen, profile_of
from blut_resources.launchers.local import LocalLauncher
from blut_resources.launchers.remote import RemoteLauncher


class Where:
    """Stands for the launcher of one asset.

    Args:
        asked: by its config.
        default: by its stage.

    Attributes:
        name: of the launcher.

    Raises:
        LauncherError: there is none of that name.
    """

    def __init__(self, asked: str | None, default: str | None) -> None:
        self._profile = profile_of(asked, default)
        self.name = chosen(asked, default)

    @property
    def is_elsewhere(self) -> bool:
        """Says whether that is not this machine."""
        return self._profile is not None

    @property
    def launcher(self) -> Launcher:
        """Returns what starts a payload there."""
        return RemoteLauncher(self.name, self._profile) if self._profile else LocalLauncher()

    def any_gpu(self) -> int | None:
        """Returns how many GPUs a payload gets there that takes one where there is one; None for this one."""
        return None if self._profile is None else int(bool(self._profile.gres))
