"""Why an LML1 file was refused. Every reader error is an :class:`LmlError`."""

from blut_resources.payload_kit.refuse import Refused


class LmlError(Refused):
    """An LML1 file cannot be read."""


class BadHeader(LmlError):
    """A field contradicts the format or another field."""


class Truncated(LmlError):
    """The bytes end before the structure they announce."""


class CrcMismatch(LmlError):
    """A stored checksum does not match the bytes it covers."""


class Unsupported(LmlError):
    """A valid extension or version that this reader does not implement."""
