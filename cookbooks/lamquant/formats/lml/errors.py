"""Says why an LML1 file was refused. Every reader error is an :class:`LmlError`."""


class LmlError(Exception):
    """Says that an LML1 file cannot be read."""


class BadHeader(LmlError):
    """Says that a field contradicts the format or another field."""


class Truncated(LmlError):
    """Says that the bytes end before the structure they announce."""


class CrcMismatch(LmlError):
    """Says that a stored checksum does not match the bytes it covers."""


class Unsupported(LmlError):
    """Says that this reader does not implement a valid extension or version."""
