"""Starts a supervisor (``python -I -S entry.py SPEC``). The work is in modules that are compiled once."""

import sys

# At the end: nothing of this project may stand before the standard library.
sys.path.append(__file__.rsplit("/", 4)[0])

from blut_resources.containment.supervisor.main import main

main(sys.argv[1])
