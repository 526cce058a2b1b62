"""Implements `blut codec`: encode, decode, info, verify, compare, export."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, duration, failed, print_json, size, wrong
from blut_resources.text import lines
from cookbooks.lamquant.codec_command.installed import needs_extra

if TYPE_CHECKING:
    from cookbooks.lamquant.codec_command.files import FileJob

app = group("Recordings to small .lqc files and back.")

Files = Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="Files, or directories of them.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="NAME@ALIAS, NAME@VERSION, a digest, or a checkpoint's directory.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE|DIR", help="Where to; beside the file if not given."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Over all files; 0 for one a core.")]
"""What several commands take."""


@app.command()
@needs_extra
def encode(
    files: Files,
    model: Model = None,
    output: Out = None,
    prdn: Annotated[float | None, typer.Option(help="Error of each channel, percent, at most.")] = None,
    max_error: Annotated[
        int | None,
        typer.Option(help="Error of each sample, the file's own integers, at most; 0 is lossless."),
    ] = None,
    cr: Annotated[float | None, typer.Option(help="How many times smaller, at least.")] = None,
    bitrate: Annotated[float | None, typer.Option(help="Bits a second of all channels, at most.")] = None,
    tier: Annotated[
        int | None, typer.Option(min=1, max=4, help="1 is the smallest file, 4 the best quality.")
    ] = None,
    identity: Annotated[
        str, typer.Option(help="strip or keep: fields that name a person, dates, texts of annotations.")
    ] = "strip",
    profile: Annotated[
        str | None,
        typer.Option(help="full, or device: what a microcontroller can write; a pipeline's own, else full."),
    ] = None,
    only_eeg: Annotated[bool, typer.Option("--only-eeg", help="Drop all signals that are not EEG.")] = False,
    force: Force = False,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Encode EDF and BDF recordings, also compressed with gzip, to .lqc files.

    EEG is coded with the model, as small as the target allows; every other signal is kept exactly. With the
    model of a pipeline, and no target, bits follow what its controller sees. With --max-error all signals are
    coded without a model. Of annotations onset, duration and class are kept.
    """
    from cookbooks.lamquant.codec_command.batch import dealt_with
    from cookbooks.lamquant.codec_command.encode import Asked, encoded, renamed, target_of
    from cookbooks.lamquant.codec_command.models import NoModel, checkpoint_of
    from cookbooks.lamquant.formats.edf.discovery import SUFFIXES
    from cookbooks.lamquant.lqc.errors import LqcError

    _one_of({"--prdn": prdn, "--max-error": max_error, "--cr": cr, "--bitrate": bitrate, "--tier": tier})
    _among("--identity", identity, "strip", "keep")
    if profile is not None:
        _among("--profile", profile, "full", "device")
    if model is None and max_error is None:
        wrong("--model is needed, such as NAME@ALIAS of `blut model list`; with --max-error none is")
    try:
        asked = Asked(
            checkpoint=None if model is None or max_error is not None else checkpoint_of(model),
            target=target_of(prdn, max_error, cr, bitrate),
            tier=tier,
            profile=None if profile is None else "device" if profile == "device" else "full",
            identity=identity == "keep",
            only_eeg=only_eeg,
            force=force,
        )
    except (NoModel, LqcError) as error:
        wrong(str(error))
    jobs = _jobs(files, output, SUFFIXES, (".lqc",), renamed)
    dealt_with(
        jobs,
        lambda job, n, told: encoded(asked, job, n, told),
        _encoded_line,
        verb="encode",
        threads=threads,
        as_json=as_json,
    )


@app.command()
@needs_extra
def decode(
    files: Files,
    model: Model = None,
    output: Out = None,
    kind: Annotated[
        str | None, typer.Option("--format", help="edf, bdf or npy; what the recording was if not given.")
    ] = None,
    damaged: Annotated[
        str, typer.Option(help="refuse, or keep: write the rest, and each channel's mean where it is lost.")
    ] = "refuse",
    decoder: Annotated[
        str | None,
        typer.Option(
            metavar="DECODER",
            help="A better decoder of the same bytes: NAME@ALIAS, a digest, or a directory.",
        ),
    ] = None,
    force: Force = False,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Decode .lqc files to EDF or BDF, with their header and annotations, or to int32 arrays.

    Without --model the checkpoint that a file names is looked for in the store.
    """
    from cookbooks.lamquant.codec_command.batch import dealt_with
    from cookbooks.lamquant.codec_command.decode import SUFFIXES, DecodeWanted, decoded, lost_told
    from cookbooks.lamquant.codec_command.models import NoModel, decoder_of

    _among("--damaged", damaged, "refuse", "keep")
    if kind is not None:
        _among("--format", kind, "edf", "bdf", "npy")
        if output is not None and output.suffix.lower() in {*SUFFIXES} - {f".{kind}"}:
            wrong(f"--format {kind} and -o {output} exclude each other: give one of them")
    elif output is not None and output.suffix.lower() in SUFFIXES:
        kind = output.suffix[1:].lower()
    try:
        refining = None if decoder is None else decoder_of(decoder)
    except NoModel as error:
        wrong(str(error))
    wanted = DecodeWanted(model, kind.upper() if kind else None, force, damaged == "keep", refining)
    jobs = _jobs(files, output, (".lqc",), tuple(SUFFIXES), lambda source: source.stem)
    dealt_with(
        jobs,
        lambda job, n, told: decoded(wanted, job, n, told),
        _decoded_line,
        verb="decode",
        lost=lost_told,
        threads=threads,
        as_json=as_json,
    )


def _jobs(
    files: list[Path],
    output: Path | None,
    suffixes: tuple[str, ...],
    written: tuple[str, ...],
    renamed: "Callable[[Path], str]",
) -> "list[FileJob]":
    from cookbooks.lamquant.codec_command.files import BadPlace, jobs_of

    try:
        jobs = jobs_of(files, output, suffixes, written, renamed)
    except BadPlace as error:
        wrong(str(error))
    if not jobs:
        wrong(f"{', '.join(map(str, files))}: no file that ends in {', '.join(suffixes)}")
    return jobs


def _one_of(options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        wrong(f"{' and '.join(given)} exclude each other: give one of them")


def _among(option: str, value: str, *allowed: str) -> None:
    if value not in allowed:
        wrong(f"{option} {value!r}: must be {' or '.join(allowed)}")


def _encoded_line(row: dict[str, Any]) -> str:
    from cookbooks.lamquant.codec_command.mended import told_in_a_line

    error = "exact" if row["max_error"] == 0 else f"PRDN {row['prdn']:.3g} %"
    left = (
        f"; left out: {', '.join(f'{name} ({why})' for name, why in row['left_out'])}"
        if row["left_out"]
        else ""
    )
    repairs = [told_in_a_line(row["repaired"])] if row["repaired"] else []
    notes = "".join(f"; {note}" for note in [*repairs, *row["notes"]])
    return (
        f"{row['file']} -> {row['output']}: {size(row['bytes'])}, CR {row['cr']:.3g}, {error},"
        f" {row['channels']} channels, {duration(row['seconds'])}{left}{notes}"
    )


def _decoded_line(row: dict[str, Any]) -> str:
    filled = (
        f"; the last record was filled up with {row['repeated_samples']} samples"
        if row.get("repeated_samples")
        else ""
    )
    left = f"; {row['left_out']} channels of other rates are not in it" if row.get("left_out") else ""
    return (
        f"{row['file']} -> {row['output']}: {row['channels']} channels, {duration(row['seconds'])},"
        f" {size(row['bytes'])}{filled}{left}"
    )


@app.command()
@needs_extra
def info(files: Files, as_json: AsJson = False) -> None:
    """Say what .lqc files hold: channels, how they are coded, annotations, and whether they name a person."""
    from cookbooks.lamquant.codec_command.batch import dealt_with
    from cookbooks.lamquant.codec_command.info import described, told

    jobs = _jobs(files, None, (".lqc",), (), lambda source: source.name)
    dealt_with(jobs, described, told, verb="info", threads=1, as_json=as_json)


@app.command()
@needs_extra
def verify(
    files: Files,
    model: Model = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="ORIGINAL", help="The recording it was made of.")
    ] = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Prove .lqc files: every chunk is whole and can be decoded, and its samples are what was promised."""
    from cookbooks.lamquant.codec_command.batch import dealt_with
    from cookbooks.lamquant.codec_command.verify import VerifyWanted, told, verified

    if against is not None and (len(files) > 1 or files[0].is_dir()):
        wrong(f"--against {against}: is the original of one file: give that file alone")
    wanted = VerifyWanted(model, against)
    dealt_with(
        _jobs(files, None, (".lqc",), (), lambda source: source.name),
        lambda job, n, told: verified(wanted, job, n, told),
        told,
        verb="verify",
        threads=threads,
        as_json=as_json,
    )


@app.command()
@needs_extra
def compare(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The EDF or BDF file.")],
    decoded: Annotated[Path, typer.Argument(metavar="FILE", help="A .lqc file, or what one was decoded to.")],
    model: Model = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.png", help="Draw the worst ten seconds into it.")
    ] = None,
    force: Force = False,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Measure a .lqc file, or what it was decoded to, beside its original, as a verdict does."""
    from cookbooks.lamquant.codec_command.batch import EXPECTED, problem_of
    from cookbooks.lamquant.codec_command.compare import compared, told
    from cookbooks.lamquant.codec_command.files import finished
    from cookbooks.lamquant.formats.edf.problems import BadRecording

    try:
        found = compared(original, decoded, model, threads)
        if picture is not None and found.worst is not None:
            from cookbooks.lamquant.codec_command.picture import drawn

            with finished(picture, decoded, force) as part:
                part.write_bytes(drawn(found.worst))
            found.figures["picture"] = str(picture)
    except EXPECTED as error:
        said = str(error) if isinstance(error, BadRecording) else problem_of(error)
        named = said.startswith((f"{original}: ", f"{decoded}: "))
        failed(said if named else f"{decoded}: {said}")
    if as_json:
        print_json(found.figures)
    else:
        typer.echo(lines(told(found.figures)))


@app.command()
@needs_extra
def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="NAME@ALIAS, NAME@VERSION, a digest, or a directory.")
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory.")],
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a decoder that runs without Blut and PyTorch: code, checkpoint, and a page that explains both."""
    from cookbooks.lamquant.codec_command.batch import EXPECTED, problem_of
    from cookbooks.lamquant.codec_command.export import exported
    from cookbooks.lamquant.codec_command.models import NoModel, checkpoint_of

    try:
        files = exported(checkpoint_of(model), model, directory, force)
    except NoModel as error:
        wrong(str(error))
    except EXPECTED as error:
        failed(problem_of(error))
    if as_json:
        print_json({"directory": str(directory), "files": files})
    else:
        typer.echo(f"{lines(directory)}: {len(files)} files; README.md says how to use them")
