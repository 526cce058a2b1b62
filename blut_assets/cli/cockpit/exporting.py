"""Asks where runs are to be written, for other tools or as a report."""

from pathlib import Path

from blut_assets.cli.cockpit.typed import Step, TypedAnswer
from blut_assets.terminal.output import counted

REPORTS = (".html", ".pdf", ".md")
SERVED = ("sqlite", "http", "https")


class TypedExport(TypedAnswer):
    """Asks for the place of the export of runs, whose ids it is about."""

    dropped = "not exported"

    def question(self) -> str:
        """Returns what is asked."""
        return (
            f"export {counted(len(self.about.split()), 'run')}: type FILE.html for a report, DIRECTORY for"
            " TensorBoard, or sqlite:///FILE or http://HOST of MLflow, and Enter"
        )

    def answered(self, about: str, typed: str) -> Step:
        """Returns the command that writes the runs to where was typed."""
        runs = about.split()
        if not typed:
            return "not exported: no place was typed", []
        if typed.partition("://")[0] in SERVED and "://" in typed:
            return f"writing to {typed} ...", ["runs", "export", *runs, "--as", "mlflow", "-o", typed]
        place = str(Path(typed).expanduser()) if typed.startswith("~") else typed
        if not place.endswith(REPORTS):
            return f"writing to {place} ...", ["runs", "export", *runs, "--as", "tensorboard", "-o", place]
        if len(runs) > 1:
            return f"not exported: a report is of one run, and {len(runs)} are marked", []
        return f"writing {place} ...", ["report", *runs, "-o", place]
