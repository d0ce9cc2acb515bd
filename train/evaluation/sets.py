"""Files of outcomes as sets on which models can be compared: the same queries, answered by every model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from train.dataset import mix
from train.errors import DataError
from train.files import read_rows
from train.metrics import Array
from train.pair import Pair
from train.pool import complete, costs, pool, scores
from train.rows import Faults, Row

SHOWN = 8  # names in a message


@dataclass(frozen=True, slots=True)
class File:
    """The rows of a file, one a question. `notes` say what was passed over."""

    name: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises DataError."""
        rows, faults = read_rows(path)
        return cls(path.stem, *_merged(rows, faults))

    @property
    def models(self) -> set[str]:
        return {model for row in self.rows for model in row.outcomes}


@dataclass(frozen=True, slots=True)
class RoutingSet:
    """`scores` (n, m), 0 to 1; `costs` (n, m), USD, NaN where not known. `pair`: the columns of the weak and the
    strong model, where it is clear which they are. `notes` say what was left out, and why.
    """

    name: str
    rows: tuple[Row, ...]
    models: tuple[str, ...]
    scores: Array
    costs: Array
    pair: tuple[int, int] | None
    notes: tuple[str, ...] = ()

    @property
    def priced(self) -> NDArray[np.bool_]:
        """The lines with the cost of every model; none when all models cost the same, as there is nothing to save."""
        known = np.all(~np.isnan(self.costs), axis=1)
        mean = self.costs[known].mean(axis=0) if known.any() else np.zeros(1)
        return known if mean.min() < mean.max() else np.zeros(len(known), np.bool_)


def routing_sets(
    files: Sequence[File], known: Sequence[str], pair: tuple[str, str] | None = None
) -> tuple[RoutingSet, ...]:
    """Files of mostly the same models make up one set; files without outcomes make none.

    `known` are the models of the classifier. With `pair`, the weak and the strong model, all others are left out.
    Raises DataError for a file with fewer than two of these models, and for a set without a row that has all.
    """
    groups: list[tuple[set[str], list[File]]] = []
    for file in files:
        if not file.models:
            continue
        models = _usable(file, known, pair)
        for at, (shared, members) in enumerate(groups):
            if 2 * len(shared & models) > len(shared | models):
                groups[at] = (shared & models, [*members, file])
                break
        else:
            groups.append((models, [file]))
    return tuple(_set(members, sorted(shared), known, pair) for shared, members in groups)


def _usable(file: File, known: Sequence[str], pair: tuple[str, str] | None) -> set[str]:
    common = file.models & set(known)
    if pair:
        for model in pair:
            if model not in file.models:
                raise DataError(f"{model}: {file.name} has no outcomes of it; it has {_listed(sorted(file.models))}")
            if model not in known:
                raise DataError(f"{model}: the classifier does not know it; it knows {_listed(known)}")
        return set(pair)
    if len(common) < 2:
        raise DataError(
            f"{file.name}: the classifier knows {len(common)} of its models, comparing takes two; "
            f"the file has {_listed(sorted(file.models))}, the classifier {_listed(known)}"
        )
    return common


def _set(
    files: Sequence[File], models: Sequence[str], known: Sequence[str], pair: tuple[str, str] | None
) -> RoutingSet:
    name = " + ".join(file.name for file in files)
    rows, notes = _merged([row for file in files for row in file.rows], Faults())
    whole = tuple(complete(rows, models))
    if not whole:
        most = pool(rows, 1)
        raise DataError(
            f"{name}: none of {len(rows)} queries has outcomes of all of {_listed(models)}"
            + (f"; name two of {_listed(most)} with --weak and --strong" if len(models) > 2 else "")
        )
    answered, paid = scores(whole, models).astype(np.float64), costs(whole, models).astype(np.float64)
    which = (models.index(pair[0]), models.index(pair[1])) if pair else _pair(answered)
    if pair and which:
        Pair(np.zeros(len(whole)), answered[:, which[0]], answered[:, which[1]])  # raises when there is no gap to close
    found = RoutingSet(name, whole, tuple(models), answered, paid, which)
    if pair is None:
        notes += _left_out(files, models, known)
    if missing := len(rows) - len(whole):
        notes += (f"{missing} of {len(rows)} queries lack a model's outcome and are left out",)
    return replace(found, notes=notes + _notes(found))


def _merged(rows: Sequence[Row], faults: Faults) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    dataset = mix(rows, faults)
    notes = str(faults).splitlines()
    if again := len(rows) - len(dataset.rows):
        notes.append(f"{again} rows repeat a question and were merged")
    return dataset.rows, tuple(notes)


def _left_out(files: Sequence[File], models: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    there = set().union(*(file.models for file in files))
    foreign, partly = sorted(there - set(known)), sorted(there & set(known) - set(models))
    missing = sorted(set(known) - there)
    parts = {
        "left out, the classifier does not know them": foreign,
        "left out, not in all of the files": partly,
        "models of the classifier without outcomes here": missing,
    }
    return tuple(f"{what}: {_listed(names)}" for what, names in parts.items() if names)


def _notes(routing: RoutingSet) -> tuple[str, ...]:
    """Which figures there are not, and why."""
    notes = []
    n, priced, known = len(routing.rows), int(routing.priced.sum()), ~np.isnan(routing.costs).any(axis=1)
    if not known.any():
        notes.append("costs are not known: no AIQ, the quality of the chosen model only")
    elif not priced:
        notes.append("all models cost the same: no AIQ, the quality of the chosen model only")
    elif priced < n:
        notes.append(f"{n - priced} of {n} queries lack a cost and are left out of AIQ")
    if len(routing.models) > 2:
        notes.append("APGR and CPT are of two models: name them with --weak and --strong")
    elif routing.pair is None:
        notes.append("both models score the same: there is no gap for APGR and CPT")
    return tuple(notes)


def _pair(answered: Array) -> tuple[int, int] | None:
    """The weak and the strong of exactly two."""
    mean = answered.mean(axis=0).tolist()
    if len(mean) != 2 or mean[0] == mean[1]:
        return None
    return (0, 1) if mean[0] < mean[1] else (1, 0)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
