"""Files by their content."""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """In hexadecimal. Raises OSError when the file cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
