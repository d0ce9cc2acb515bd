"""What the API shows of the classifier: a real artefact on the way of a query, or none."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.api.schemas import RouteAnswer, RoutingMetadata
from app.artifacts.minilm import POOLED
from app.classifier.inputs import Reading, packed
from app.classifier.live import LiveClassifier
from app.domain import Complexity, Domain, Embedding, Prediction, Query
from tests.fakes.artifact import make_artifact
from tests.fakes.router import FakeRouter, running_router

CHAT, ROUTE = "/api/v1/chat", "/api/v1/route"
ASK = {"query": "Is 91 a prime number?", "user_id": "u", "user_tier": "enterprise"}
SUCCESS = {"small": 0.9, "medium": 0.6, "strong": 0.2, "not-in-the-catalogue": 0.5}


class BlankEmbedder:
    async def embed(self, texts: list[str]) -> list[Embedding]:
        (means,) = packed(np.zeros((1, POOLED), np.float32))
        return [Embedding([1.0], {Domain.GENERAL: 0.0}, means) for _ in texts]


class InProcess:
    """The deployment without Ray."""

    def __init__(self, folder: Path) -> None:
        self._live = LiveClassifier()
        self._live.reload({"artifact": str(folder)}, "test")

    async def predict(self, queries: list[Query], embeddings: list[Embedding]) -> list[Prediction]:
        return self._live.predict([Reading.of(*pair) for pair in zip(queries, embeddings, strict=True)])


@pytest.fixture
async def classified(tokenizer: Path, tmp_path: Path) -> AsyncIterator[FakeRouter]:
    classifier = InProcess(make_artifact(tmp_path / "artifact", SUCCESS, support=0.9, version="c1"))
    async with running_router(tokenizer, embedder=BlankEmbedder(), classifier=classifier) as fake:
        yield fake


async def route(router: FakeRouter, **changes: Any) -> dict[str, Any]:
    response = await router.http.post(ROUTE, json={**ASK, **changes})
    assert response.status_code == 200, response.text
    decision: dict[str, Any] = response.json()
    assert decision.keys() == RouteAnswer.model_fields.keys()
    return decision


async def test_route_shows_what_the_classifier_says_of_models_that_can_be_chosen(classified: FakeRouter) -> None:
    decision = await route(classified)
    shown = decision["classifier"]
    assert decision["skipped"] == {"memory": "not_installed"}
    assert decision["classifier_version"] == shown["version"] == "c1"
    assert set(shown["complexity"]) == set(Complexity)
    assert decision["domain"] == max(shown["domain"], key=shown["domain"].get) == "science"
    assert set(shown["success"]) == set(shown["support"]) == {"small", "medium", "strong"}
    figures = [shown["difficulty"]]
    for name in ("complexity", "domain", "success", "support"):
        figures += shown[name].values()
    assert all(0 <= figure == round(figure, 4) <= 1 for figure in figures)
    assert decision["model"] == "small"  # although the tier prior would take the strong one


async def test_openapi_describes_the_figures(classified: FakeRouter) -> None:
    schemas = (await classified.http.get("/openapi.json")).json()["components"]["schemas"]
    shown = (await route(classified))["classifier"]
    assert schemas["ClassifierView"]["properties"].keys() == shown.keys()
    assert all("description" in about for about in schemas["ClassifierView"]["properties"].values())


async def test_an_answer_names_the_version_that_decided(classified: FakeRouter) -> None:
    metadata = (await classified.http.post(CHAT, json=ASK)).json()["routing_metadata"]
    assert metadata["classifier_version"] == "c1"
    assert metadata.keys() == RoutingMetadata.model_fields.keys()


async def status(router: FakeRouter) -> dict[str, Any]:
    found: dict[str, Any] = (await router.http.get("/api/v1/health")).json()["services"]["classifier"]
    return found


async def test_health_tells_the_version_and_when_it_last_worked(
    classified: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await status(classified) == {"state": "unknown", "version": None, "last_success": None}
    await route(classified, query="hello")  # no query that needs it
    assert (await status(classified))["state"] == "unknown"
    await route(classified)
    worked = await status(classified)
    assert (worked["state"], worked["version"]) == ("ok", "c1")
    assert worked["last_success"]

    async def fail(*_: object) -> list[Prediction]:
        raise RuntimeError("dead")

    monkeypatch.setattr(InProcess, "predict", fail)
    assert (await route(classified))["cause"] == "degraded"
    assert await status(classified) == {**worked, "state": "failed"}


@pytest.mark.parametrize("changes", [{"query": "hello"}, {"model": "small"}])
async def test_where_nothing_had_to_be_classified_nothing_is_shown(
    classified: FakeRouter, changes: dict[str, str]
) -> None:
    decision = await route(classified, **changes)
    assert decision["skipped"]["classifier"] == "not_needed"
    assert (decision["classifier"], decision["classifier_version"]) == (None, None)


async def test_ml_routing_that_is_off_says_so_of_every_stage(router: FakeRouter) -> None:
    """`router` is built as ENABLE_ML_ROUTING=false has it: without an engine."""
    decision = await route(router)
    assert decision["skipped"] == {"embedding": "off", "classifier": "off", "memory": "off"}
    assert (decision["cause"], decision["classifier"], decision["classifier_version"]) == ("scored", None, None)
    metadata = (await router.http.post(CHAT, json=ASK)).json()["routing_metadata"]
    assert metadata["classifier_version"] is None
    assert await status(router) == {"state": "off", "version": None, "last_success": None}
