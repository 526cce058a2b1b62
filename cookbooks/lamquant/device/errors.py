"""Says why a firmware bundle could not be built, or is refused."""


class DeviceError(ValueError):
    """Says that a bundle cannot be built or used: what, where, and what to do."""
