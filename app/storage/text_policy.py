"""STORE_TEXT: how much of a query or an answer is kept."""

from enum import StrEnum
from hashlib import sha256


class TextPolicy(StrEnum):
    """Feedback and training need FULL. A hash of a short text can be guessed: HASH tells equal texts, hides none."""

    FULL = "full"
    HASH = "hash"
    OFF = "off"

    def kept(self, text: str) -> tuple[str | None, str | None]:
        """The text and its SHA-256 in hex, each None when it is not to be kept."""
        if self is TextPolicy.OFF:
            return None, None
        digest = sha256(text.encode("utf-8", "replace")).hexdigest()
        return (text if self is TextPolicy.FULL else None), digest
