"""Builds an encoder in C for a device, and proves it.

``bundle.build_bundle`` makes a firmware bundle of a checkpoint and says what it takes;
``bundle.check_bundle`` compares one with the checkpoint; ``bundle.encode_with`` encodes with its compiled
program, and ``twin.twin_encode`` writes the same bytes in Python. Any decoder of ``lqc`` reads them.
"""
