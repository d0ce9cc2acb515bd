"""A candidate beside what is live, on stored traffic, by the code of replay."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.classifier.artifact import ClassifierConfig
from app.classifier.model import QueryClassifier
from app.models.catalogue import Catalogue
from app.paths import project_path
from app.routing.weights import Policy
from app.storage.releases import Draft, Part
from train.publishing.deployed import Deployed
from train.publishing.gate import Change
from train.replayed.compare import Choices, Section, choices, compared
from train.replayed.logs import from_database
from train.replayed.outcome_files import from_files, predicted_by
from train.replayed.table import plain, table
from train.replayed.traffic import Replay

LIVE = "the live user_config"
USUAL_CATALOGUE = "configs/models.yaml"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`document` is plain JSON, for the record; `text` a table for people."""

    change: Change
    document: Mapping[str, Any]
    text: str


def comparison(options: argparse.Namespace, part: Part, draft: Draft, deployed: Deployed) -> Comparison:
    """Raises ConfigError when the traffic cannot be used, StorageUnavailable."""
    artifact = ClassifierConfig.read(deployed.user_config(Part.CLASSIFIER), LIVE).folder
    policy = Policy.read(deployed.user_config(Part.WEIGHTS), LIVE)
    replay = _traffic(options, artifact, deployed)
    if part is Part.WEIGHTS:
        candidate, live = (choices(replay, one) for one in (Policy.read(draft.content, "the candidate"), policy))
    else:
        folders = ClassifierConfig.read(draft.content, "the candidate").folder, artifact
        candidate, live = (_choices_by(replay, folder, policy) for folder in folders)
    sections = compared(replay, candidate, live)
    document = {
        "sources": dict(replay.sources),
        "notes": list(replay.notes),
        "sections": [_document(one) for one in sections if one.domain is None],
    }
    return Comparison(_change(replay, sections), document, "\n".join([*replay.notes, table(sections)]))


def _traffic(options: argparse.Namespace, artifact: Path, deployed: Deployed) -> Replay:
    if options.replay:
        catalogue = Catalogue.read(project_path(deployed.args.get("catalogue", USUAL_CATALOGUE)))
        return from_files(options.replay, artifact, options.models, catalogue)
    return from_database(options.database, datetime.now(UTC) - options.since)


def _choices_by(replay: Replay, folder: Path, policy: Policy) -> Choices:
    """As with this classifier. One that knows none of the models leaves what was logged: there it had no say."""
    classifier = QueryClassifier(folder)
    known = set(classifier.manifest.models)
    seen = {
        tier: predicted_by(traffic, classifier) if known & set(traffic.models) else traffic
        for tier, traffic in replay.traffic.items()
    }
    return choices(replace(replay, traffic=seen), policy)


def _change(replay: Replay, sections: list[Section]) -> Change:
    everything = sections[0]
    found = everything.change[everything.best]
    return Change(
        quality=found["quality"],
        cost_saved=found["cost_saved"],
        tiers={str(one.tier): one.change[one.best]["quality"] for one in sections if one.tier},
        queries=everything.queries,
        estimator=str(everything.best),
        notes=replay.notes,
        warnings=everything.warnings,
    )


def _document(section: Section) -> dict[str, Any]:
    by = section.best
    return {
        "of": section.name,
        "queries": section.queries,
        "estimator": str(by),
        "candidate": plain(section.figures[by]),
        "live": plain(section.live[by]),
        "change": plain(section.change[by]),
        "warnings": list(section.warnings),
    }
