"""Defines the labels of a frame, without numpy, so that the control plane can name them."""

from typing import Literal

NONE, SEEN_INTERESTING, SEEN_CRITICAL, UNLABELLED = 0, 1, 2, 255
"""Labels of a frame; where nobody has said anything, nothing is learned or judged."""
Unannotated = Literal["exclude", "quiet"]
