"""Traffic from files of full outcomes: every tier sees every query, and what each model did is known."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.classifier.artifact import MANIFEST
from app.classifier.model import QueryClassifier
from app.digest import sha256
from app.domain import Tier
from app.models.catalogue import Catalogue
from app.routing.choice import lower_is_better
from train.dataset import Source, mix, read
from train.errors import DataError
from train.evaluation.inputs import Read
from train.evaluation.seen import SEEN, training_hashes
from train.pool import complete, costs, scores
from train.questions import fold
from train.replayed.expected import expected_costs
from train.replayed.traffic import Full, Replay, Traffic
from train.rows import Faults, Row

PARTS = 2**32  # of the hash that orders questions


def from_files(
    paths: Sequence[Path], artifact: Path, models: Sequence[str] | None = None, catalogue: Catalogue | None = None
) -> Replay:
    """P(success) and lengths are what the classifier in `artifact` predicts. `models` are those to choose from: by
    default the catalogue's, and without one all that the classifier knows and every file has.

    With a catalogue its latencies and allowed tiers hold. Rows without an outcome of each model are left out. Raises
    DataError.
    """
    classifier = QueryClassifier(artifact)
    found = [read([Source(path)]) for path in paths]
    faults = Faults()
    for _, skipped in found:
        faults.update(skipped)
    names, notes = _pool([rows for rows, _ in found], classifier.manifest.models, models, catalogue)
    rows = mix([row for some, _ in found for row in some]).rows
    whole = complete(rows, names)
    if not whole:
        raise DataError(f"none of {len(rows)} queries has outcomes of all of {', '.join(names)}; name fewer models")
    hashes = {path.name: sha256(path) for path in paths}
    trained_on = training_hashes(artifact)
    notes += [*str(faults).splitlines(), *(f"{name}: {SEEN}" for name, one in hashes.items() if one in trained_on)]
    if missing := len(rows) - len(whole):
        notes.append(f"{missing} of {len(rows)} queries lack a model's outcome and are left out")
    sources = {**hashes, classifier.version: sha256(artifact / MANIFEST)}
    return Replay(_by_tier(_traffic(whole, names, classifier), catalogue), tuple(notes), sources)


def _pool(
    files: Sequence[Sequence[Row]], known: Sequence[str], asked: Sequence[str] | None, catalogue: Catalogue | None
) -> tuple[list[str], list[str]]:
    """The models to choose from, and notes. Raises DataError when they are too few, or one asked for is not there."""
    by_file = [{model for row in rows for model in row.outcomes} for rows in files]
    there, everywhere = set().union(*by_file), set.intersection(*by_file)
    wanted = known if catalogue is None else list(catalogue.models)
    names = [model for model in wanted if model in everywhere and model in known] if asked is None else list(asked)
    for what, models in (("the replay files have no outcome of", there), ("the classifier does not know", set(known))):
        if missing := [model for model in names if model not in models]:
            both = ", ".join(model for model in known if model in there) or "none"
            raise DataError(f"{what} {', '.join(missing)}; models that both have: {both}")
    if len(names) < 2:
        whose = "classifier knows" if catalogue is None else "catalogue has"
        raise DataError(
            f"a choice takes two models; {len(names)} of those that the {whose} is in every file and known to the "
            f"classifier: the files have {', '.join(sorted(there)) or 'none'}, the {whose} {', '.join(wanted)}"
        )
    without = [model for model in wanted if model not in names] if catalogue and asked is None else []
    return names, [f"of the catalogue, not in the replay files: {', '.join(without)}"] if without else []


def _traffic(rows: Sequence[Row], models: Sequence[str], classifier: QueryClassifier) -> Traffic:
    """Of any tier, all models eligible."""
    told = Read.of(rows, classifier)
    columns = [classifier.manifest.models.index(model) for model in models]
    expected, prices = expected_costs(rows, models, told.figures_of(rows, "length")[:, columns])
    likeliest = [classifier.manifest.domains[at] for at in told.figures_of(rows, "domain").argmax(axis=1)]
    unknown = np.full(expected.shape, np.nan)
    return Traffic(
        tier=Tier.FREE,
        models=tuple(models),
        eligible=np.ones(expected.shape, np.bool_),
        quality=told.figures_of(rows, "success")[:, columns],
        cost_usd=expected,
        latency_ms=unknown,
        latency=unknown,
        hint=unknown,
        cost=None,
        prices=prices,
        domain=np.array([str(row.domain or guess) for row, guess in zip(rows, likeliest, strict=True)]),
        order=np.array([fold(row.query, PARTS) / PARTS for row in rows]),
        texts=tuple(row.query for row in rows),
        outcomes=Full(scores(rows, models).astype(np.float64), costs(rows, models).astype(np.float64), unknown),
    )


def _by_tier(traffic: Traffic, catalogue: Catalogue | None) -> dict[Tier, Traffic]:
    """A tier that may use none of the models is left out."""
    if catalogue is None:
        return {tier: replace(traffic, tier=tier) for tier in Tier}
    specs = [catalogue.models.get(model) for model in traffic.models]
    latency = np.array([spec.expected_latency_ms if spec else np.nan for spec in specs])
    found = {}
    for tier in Tier:
        allowed = np.array([spec is None or tier in spec.allowed_tiers for spec in specs])
        if allowed.any():
            eligible = np.broadcast_to(allowed, traffic.eligible.shape)
            known = np.where(eligible, latency, np.nan)
            found[tier] = replace(
                traffic, tier=tier, eligible=eligible, latency_ms=known, latency=lower_is_better(known)
            )
    return found


def predicted_by(traffic: Traffic, classifier: QueryClassifier) -> Traffic:
    """The same as another classifier would have seen it: P(success) of the models that it knows, where texts are kept.

    What the memory said is left out of these; lengths, hence costs, stay as they are. Raises DataError.
    """
    known = [model for model in traffic.models if model in classifier.manifest.models]
    lines = [line for line, text in enumerate(traffic.texts) if text]
    if not known or not lines:
        raise DataError(
            f"classifier {classifier.version} says nothing of this traffic: it knows {len(known)} of the models, and "
            f"{len(lines)} texts are stored"
        )
    rows = [Row(id="", source="", query=traffic.texts[line] or "") for line in lines]
    success = Read.of(rows, classifier).figures_of(rows, "success")
    quality = traffic.quality.copy()
    for model in known:
        quality[lines, traffic.models.index(model)] = success[:, classifier.manifest.models.index(model)]
    return replace(traffic, quality=quality)
