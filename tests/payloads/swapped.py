"""Reads ``given/rows`` after the directory, or the file, has been changed under its own hands."""

from pathlib import Path

from blut_resources.payload_kit.session import payload_session


def main() -> None:
    """Change what ``config`` says, read, change it back."""
    with payload_session() as session:
        root, evil = (Path(session.config[name]) for name in ("root", "evil"))
        if session.config["how"] == "swap":
            root.rename(root.with_name("aside"))
            evil.rename(root)
        (session.out / "rows").write_text((session.inputs["given"] / "rows").read_text())
        found = sorted(path.name for path in session.inputs["given"].iterdir())
        if session.config["how"] == "swap":
            root.rename(evil)
            root.with_name("aside").rename(root)
        if session.config["how"] == "write":
            (root / "rows").write_text("evil")
        session.done(found=",".join(found))


if __name__ == "__main__":
    main()
