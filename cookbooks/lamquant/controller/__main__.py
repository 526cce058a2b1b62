"""Writes a controller as C for a device: ``python -m cookbooks.lamquant.controller CHECKPOINT OUT``."""

import argparse
from pathlib import Path

from cookbooks.lamquant.controller.controller import Controller, ControllerError
from cookbooks.lamquant.controller.export import export_controller


def main() -> None:
    """Write what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m cookbooks.lamquant.controller", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="directory of a trained controller")
    parser.add_argument("out", type=Path, help="where the C sources go")
    parser.add_argument("--rate", type=float, default=250.0, help="samples a second (250)")
    parser.add_argument("--channels", type=int, default=21, help="channels that are recorded (21)")
    parser.add_argument("--point", choices=["rate", "events"], default="rate", help="operating point (rate)")
    parser.add_argument("--model", default="", help="logistic, for the one that was trained beside")
    said = parser.parse_args()
    try:
        controller = Controller.load(said.checkpoint, said.model)
        export_controller(controller, said.out, said.rate, said.channels, said.point)
    except (ControllerError, ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
