"""When two queries are the same question, and on which side of a split a question lies."""

import re
from hashlib import blake2b

SEED = 7
# Sentence marks that join nothing: "2.5", "a.b", "x!=y" and "don't" keep theirs, and so do operators and brackets.
_MARKS = re.compile(r"[.,;:!?…\"'`“”‘’«»]+(?!\w|=)|(?<!\w)[\"'`“”‘’«»]+")
_SPACE = re.compile(r"\s+")


def normalised(query: str) -> str:
    """Without case, sentence marks, quotation marks and the kind of white space."""
    plain = query.casefold()
    return _SPACE.sub(" ", _MARKS.sub(" ", plain)).strip() or plain.strip()


def fold(query: str, folds: int = 10, seed: int = SEED) -> int:
    """0 to folds - 1, the same for the same question, on every machine and whatever else is in the data."""
    digest = blake2b(f"{seed}\n{normalised(query)}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) % folds
