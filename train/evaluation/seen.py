"""Whether a classifier was trained on what it is to be measured on."""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from app.classifier.artifact import RUN
from app.digest import sha256
from train.evaluation.sets import File

SEEN = "the classifier was trained on this very file: its figures are better than they would be on other queries"


def training_hashes(folder: Path) -> frozenset[str]:
    """The sha256 of the files that the classifier in `folder` was trained on; none when it does not say."""
    try:
        return frozenset(file["sha256"] for file in json.loads((folder / RUN).read_bytes())["data"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return frozenset()


def read_file(path: Path, trained_on: Collection[str]) -> File:
    """With a note when it is one of these. Raises DataError."""
    file = File.read(path)
    return replace(file, notes=(*file.notes, SEEN)) if sha256(path) in trained_on else file
