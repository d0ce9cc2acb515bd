"""Where files named in the configuration are found."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def project_path(path: str) -> Path:
    """A relative path is taken from the project folder, wherever the process was started."""
    return PROJECT / path
