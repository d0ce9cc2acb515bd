"""How well complexity and domain are told, class by class, on the files that have such labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import Complexity, Domain
from train.bootstrap import Interval, intervals
from train.evaluation.sets import File
from train.labels import Labels
from train.metrics import Array, Indices

CLASSES: dict[str, tuple[str, ...]] = {"complexity": tuple(Complexity), "domain": tuple(Domain)}


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """Of one file, as scales differ between files. `commonest`: the accuracy of always naming the commonest class.

    `counts` are rows by class. `confusion`, (classes, classes): lines are the truth, columns the predictions.
    """

    file: str
    label: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    commonest: float
    figures: dict[str, Interval]
    confusion: Indices


def label_lines(file: File, label: str) -> list[int]:
    """The rows with that label, `complexity` or `domain`."""
    return [line for line, row in enumerate(file.rows) if getattr(row, label) is not None]


def told(file: File, label: str, lines: Sequence[int], probabilities: Array) -> LabelFigures:
    """`probabilities` (len(lines), classes); the most probable class is what is told."""
    classes = CLASSES[label]
    truth = [getattr(file.rows[line], label) for line in lines]
    labels = Labels(truth, [classes[at] for at in probabilities.argmax(axis=1)], classes)
    counts = Counter(truth)
    return LabelFigures(
        file=file.name,
        label=label,
        classes=classes,
        counts=tuple(counts[one] for one in classes),
        commonest=max(counts.values()) / len(truth),
        figures=intervals(labels),
        confusion=labels.confusion(),
    )
