"""Says what is wrong with a checkpoint or with a state to resume from."""

from blut_resources.payload_kit.refuse import Refused


class CheckpointError(Refused, ValueError):
    """Says that a checkpoint is missing, damaged or of another architecture;
    the message names file and field.
    """
