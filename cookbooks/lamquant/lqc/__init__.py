"""Holds the ``.lqc`` format and its arithmetic, for whoever decodes without Blut: numpy and numba only."""
