"""Says why a ``.lqc`` file, or what should become one, was refused. Every error here is an ``LqcError``."""


class LqcError(ValueError):
    """Says that something about a ``.lqc`` file is refused: what, where, and what to do."""


class FormatError(LqcError):
    """Says that the bytes are no ``.lqc`` file that this reader understands."""


class VersionError(FormatError):
    """Says that the file was written in a later version of the format."""


class PayloadError(LqcError):
    """Says that the bytes of a chunk, or of another coded part, are not what an encoder writes."""


class ChunkError(LqcError):
    """Says that one chunk cannot be read; ``group`` and ``chunk`` say which."""

    def __init__(self, group: int, chunk: int, why: str) -> None:
        super().__init__(f"group {group}, chunk {chunk}: {why}")
        self.group, self.chunk, self.why = group, chunk, why

    def __reduce__(self) -> tuple[type["ChunkError"], tuple[int, int, str]]:
        """Returns how it travels between processes."""
        return type(self), (self.group, self.chunk, self.why)


class InputError(LqcError):
    """Says that what the caller gave cannot be written, or asks for what is not there."""


class ModelError(LqcError):
    """Says that a checkpoint is damaged, or is not the one that a file was coded with."""
