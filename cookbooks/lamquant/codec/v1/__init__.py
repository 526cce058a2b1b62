"""Holds the first joint codec and its files, BLQ1: what was trained and coded with it stays usable.

A learned lapped transform of one hop, refinements around the quantiser, channels alone. ``transform``,
``model``, ``entropy``, ``bitstream``, ``coder``, ``checkpoint``; ``dct`` is the
anchor in the same file format.
"""

FIRST_SCHEMA = "blut.joint_codec.v1"
"""What ``model.json`` of its checkpoints says; here, where nothing loads torch."""
