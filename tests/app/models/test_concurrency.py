"""The limit of a model, as a caller sees it."""

import asyncio
from pathlib import Path

import pytest

from app.models.catalogue import Catalogue
from tests.fakes import router as fakes
from tests.fakes.router import catalogue, running_router
from tests.fakes.upstream import hang

COMPLETIONS = "/v1/chat/completions"
ASK = {"messages": [{"role": "user", "content": "What is the tallest mountain?"}], "cache": False}


def limited(url: str) -> Catalogue:
    models = catalogue(url).models
    return Catalogue({**models, "medium": models["medium"].model_copy(update={"max_concurrent_requests": 1})})


@pytest.mark.parametrize("stream", [False, True])
async def test_beyond_the_limit_of_the_only_candidate_is_429(
    tokenizer: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(fakes, "catalogue", limited)
    async with running_router(tokenizer) as router:
        router.upstream.behaviours = [hang()]
        body = {**ASK, "model": "medium", "stream": stream}
        first = asyncio.create_task(router.http.post(COMPLETIONS, json=body))
        while not router.upstream.received:  # noqa: ASYNC110 -- the fake cannot tell
            await asyncio.sleep(0.01)
        busy = await router.http.post(COMPLETIONS, json=body)
        assert (busy.status_code, busy.json()["error"]["code"]) == (429, "model_busy")
        assert busy.headers["retry-after"] == "1"
        assert len(router.upstream.received) == 1
        assert (await router.http.get("/api/v1/health")).json()["services"]["breakers"] == {}
        first.cancel()
        await asyncio.wait([first])
        assert (await router.http.post(COMPLETIONS, json=body)).status_code == 200
