"""Whether a classifier was trained on what it is to be measured on."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from app.classifier.artifact import RUN
from train.evaluation.sets import File

SEEN = "the classifier was trained on this very file: its figures are better than they would be on other queries"


def training_hashes(folder: Path) -> frozenset[str]:
    """The sha256 of the files that the classifier in `folder` was trained on; none when it does not say."""
    try:
        return frozenset(json.loads((folder / RUN).read_bytes())["data_sha256"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return frozenset()


def read_file(path: Path, trained_on: Collection[str]) -> File:
    """With a note when it is one of these. Raises DataError."""
    file = File.read(path)
    with path.open("rb") as content:
        seen = hashlib.file_digest(content, "sha256").hexdigest() in trained_on
    return replace(file, notes=(*file.notes, SEEN)) if seen else file
