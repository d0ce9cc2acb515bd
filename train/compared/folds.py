"""Trains a learner on all folds but one, as often as there are folds, and times it."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from train.compared.examples import Examples, Learner, Predictor
from train.errors import DataError
from train.features import Array32, FeatureReader
from train.questions import SEED

TIMED = 60  # texts


@dataclass(frozen=True, slots=True)
class Run:
    """`predicted` (n, columns) by learners that had not seen the row; NaN where `where` (n,), the fold of each row, is
    none of `folds`.

    `train_s`: seconds of training a fold. `query_ms`: from a text to its figures at one thread, the median.
    """

    learner: Learner
    folds: tuple[int, ...]
    where: NDArray[np.int64]
    predicted: Array32
    train_s: float
    query_ms: float


def run(learner: Learner, examples: Examples, folds: int, chosen: Sequence[int]) -> Run:
    """`chosen` are the folds that are held back, one after the other. Raises DataError when a side has no row."""
    where = examples.folds(folds, SEED)
    predicted = np.full(examples.targets.values.shape, np.nan, np.float32)
    seconds, query_ms = [], 0.0
    for one in chosen:
        held, rest = np.flatnonzero(where == one), np.flatnonzero(where != one)
        if not len(held) or not len(rest):
            raise DataError(f"{len(examples)} rows leave a side empty at fold {one} of {folds}; add rows")
        start = time.perf_counter()
        learnt = learner.fit(examples[rest])
        seconds.append(time.perf_counter() - start)
        predicted[held] = learnt([examples.rows[line].query for line in held], examples.features[held])
        query_ms = query_ms or _query_ms(learnt, learner.frozen, [examples.rows[line].query for line in held])
    return Run(learner, tuple(chosen), where, predicted, statistics.fmean(seconds), query_ms)


def _query_ms(learnt: Predictor, frozen: bool, texts: Sequence[str]) -> float:
    """A frozen learner reads its features first."""
    reader, threads = FeatureReader(), torch.get_num_threads()
    nothing = reader.read([])
    torch.set_num_threads(1)
    times = []
    for at in np.linspace(0, len(texts) - 1, TIMED).astype(int):
        start = time.perf_counter()
        learnt([texts[at]], reader.read([texts[at]]) if frozen else nothing)
        times.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return statistics.median(times) * 1000
