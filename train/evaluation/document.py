"""Figures as JSON: everything in the tables, and the curves. A figure that does not exist is null."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.classifier.artifact import Manifest
from train.bootstrap import LEVEL, Interval
from train.evaluation.classes import LabelFigures
from train.evaluation.routing import Figures, ModelFigures, RoutingFigures, Standing
from train.evaluation.sets import File


def document(
    manifest: Manifest, files: Sequence[File], routing: Sequence[RoutingFigures], labels: Sequence[LabelFigures]
) -> dict[str, Any]:
    """Keys: classifier, level (of the intervals), files, routing, labels."""
    return {
        "classifier": {"version": manifest.version, "models": list(manifest.models)},
        "level": LEVEL,
        "files": [{"name": file.name, "queries": len(file.rows), "notes": list(file.notes)} for file in files],
        "routing": [_routing(one) for one in routing],
        "labels": [_labels(one) for one in labels],
    }


def _routing(found: RoutingFigures) -> dict[str, Any]:
    routing = found.routing
    names = [routing.models[column] for column in routing.pair] if routing.pair else None
    return {
        "name": routing.name,
        "queries": len(routing.rows),
        "notes": list(routing.notes),
        "pair": dict(zip(("weak", "strong"), names, strict=True)) if names else None,
        "contenders": {standing.name: _standing(standing) for standing in found.standings},
        "calibration": _figures(found.calibration),
        "models": {model.model: _model(model) for model in found.models},
    }


def _standing(standing: Standing) -> dict[str, Any]:
    """`classifier_minus`: differences of the figures."""
    return {
        "figures": _figures(standing.figures),
        "classifier_minus": _figures(standing.behind),
        "by_share_of_strong_calls": asdict(standing.by_share) if standing.by_share else None,
        "by_cost_usd": asdict(standing.by_cost) if standing.by_cost else None,
    }


def _model(model: ModelFigures) -> dict[str, Any]:
    plain = {"score": model.score, "predicted": model.predicted, "share": model.share, "cost_usd": model.cost_usd}
    return {**plain, "calibration": _figures(model.calibration)}


def _labels(found: LabelFigures) -> dict[str, Any]:
    return {
        "file": found.file,
        "label": found.label,
        "classes": list(found.classes),
        "counts": list(found.counts),
        "accuracy_of_the_commonest": found.commonest,
        "figures": _figures(found.figures),
        "confusion": found.confusion.tolist(),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {name: _interval(interval) for name, interval in figures.items()}


def _interval(interval: Interval) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in asdict(interval).items()}
