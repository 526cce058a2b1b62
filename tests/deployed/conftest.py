"""The tests in ``inside`` are for the machine that ``boot.sh`` makes, never for this one."""

import os

from tests.booted import INSIDE_ENV

collect_ignore = [] if os.environ.get(INSIDE_ENV) else ["inside"]
