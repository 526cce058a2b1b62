"""Declares how a cookbook writes who is on which side of a split, in a file that its recipes read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg


@dataclass(frozen=True)
class SplitFormat:
    """Describes the split that one asset makes.

    Attributes:
        asset: whose artifact says who is on which side.
        export: from the directory of that artifact to the bytes of the file.
    """

    asset: dg.AssetKey
    export: Callable[[Path], bytes]
