"""Decides which entry names an archive may hold: relative, portable, and unable to leave a directory."""

_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
_DEVICES |= {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"}
_MAX_NAME_BYTES = 4096
_MAX_PART_BYTES = 255


def name_problem(name: str) -> str | None:
    """Says why ``name`` is refused, or None.

    Refused: empty and over-long names, absolute and drive and UNC paths, ``..`` and empty parts,
    backslashes, colons (drives, alternate streams), control characters, DOS device names, parts that
    end in a dot or space, text that is not encodable as UTF-8.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if not 1 <= size <= _MAX_NAME_BYTES:
        return f"has {size} bytes, allowed are 1..{_MAX_NAME_BYTES}"
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "holds a control character"
    if "\\" in name or ":" in name:
        return "holds a backslash or colon"
    if name.startswith("/"):
        return "is absolute"
    return next((problem for part in name.split("/") if (problem := _part_problem(part))), None)


def _part_problem(part: str) -> str | None:
    if part in ("", ".", ".."):
        return f"has the path part {part!r}"
    if part[-1] in ". ":
        return f"has the part {part!r} ending in a dot or space"
    if len(part.encode("utf-8")) > _MAX_PART_BYTES:
        return f"has a part longer than {_MAX_PART_BYTES} bytes"
    if part.split(".")[0].rstrip(" ").lower() in _DEVICES:
        return f"has the device name {part!r}"
    return None
