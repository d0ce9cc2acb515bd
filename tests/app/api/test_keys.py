"""What a key is bound to: its tenant, its tier, its rights. In development it may be left out."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openai
import pytest

from app.api.guard import Guard
from app.domain import Tier
from app.keys.key import ApiKey, digest, make_token
from app.storage.store import Store
from tests.fakes.router import FakeRouter, running_router

CHAT, ROUTE, COMPLETIONS = "/api/v1/chat", "/api/v1/route", "/v1/chat/completions"
ASK = {"query": "hello", "user_id": "u1"}
Header = Callable[[str], dict[str, str]]
HEADERS: list[Header] = [
    lambda token: {"authorization": f"Bearer {token}"},
    lambda token: {"authorization": f"bearer  {token}", "x-api-key": "none"},
    lambda token: {"authorization": "Basic dTpw", "x-api-key": token},
]


@pytest.fixture
async def production(tokenizer: Path) -> AsyncIterator[FakeRouter]:
    async with running_router(tokenizer, guard=Guard(keys_required=True)) as fake:
        yield fake


async def make_key(store: Store, tenant: str = "acme", tier: Tier = Tier.PRO, **changes: Any) -> str:
    id_, token = make_token()
    usual: dict[str, Any] = {"name": None, "admin": False, "created_at": datetime.now(UTC)}
    await store.keys.add(ApiKey(id_, digest(token), tenant=tenant, tier=tier, **{**usual, **changes}))
    return token


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("header", HEADERS)
async def test_a_key_opens_in_either_header(production: FakeRouter, header: Header) -> None:
    token = await make_key(production.store)
    for path, body in ((CHAT, ASK), (COMPLETIONS, {"messages": [{"role": "user", "content": "hello"}]})):
        response = await production.http.post(path, json=body, headers=header(token))
        assert response.status_code == 200, response.text


async def test_the_official_sdk_works_unchanged(production: FakeRouter) -> None:
    token = await make_key(production.store)
    usual: dict[str, Any] = {"base_url": "http://router/v1", "http_client": production.http, "max_retries": 0}
    ask: dict[str, Any] = {"model": "medium", "messages": [{"role": "user", "content": "hello"}]}
    answer = await openai.AsyncOpenAI(api_key=token, **usual).chat.completions.create(**ask)
    assert answer.choices[0].message.content == "Paris"
    assert token not in str(production.upstream.received[0].headers)
    with pytest.raises(openai.AuthenticationError, match="this API key is not known here") as error:
        await openai.AsyncOpenAI(api_key="sk-none", **usual).chat.completions.create(**ask)
    assert error.value.code == "invalid_api_key"
    ask["extra_body"] = {"user_tier": "enterprise"}
    with pytest.raises(openai.PermissionDeniedError, match="user_tier: this API key is for pro, not enterprise"):
        await openai.AsyncOpenAI(api_key=token, **usual).chat.completions.create(**ask)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_a_missing_key_is_told_in_the_shape_of_the_path(production: FakeRouter, path: str) -> None:
    response = await production.http.post(path, content=b"not even JSON")
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    error = response.json()["error"]
    assert (error["code"], "type" in error) == ("invalid_api_key", path == COMPLETIONS)
    assert "x-api-key: lr-" in error["message"]
    assert error["request_id"] == response.headers["x-llm-router-request-id"]


@pytest.mark.parametrize("ended", ["expires_at", "revoked_at"])
async def test_a_key_that_has_ended(production: FakeRouter, ended: str) -> None:
    token = await make_key(production.store, **{ended: datetime.now(UTC) - timedelta(seconds=1)})
    response = await production.http.get("/v1/models", headers=bearer(token))
    assert response.status_code == 401
    assert token[-64:] not in response.text


async def test_data_is_of_the_keys_tenant(production: FakeRouter) -> None:
    ann, bob = [await make_key(production.store, tenant) for tenant in ("ann", "bob")]
    admin = await make_key(production.store, "ops", admin=True)
    sent = await production.http.post(CHAT, json=ASK, headers=bearer(ann))
    path = f"/api/v1/requests/{sent.headers['x-llm-router-request-id']}"

    async def status(token: str, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await production.http.get(path, headers=bearer(token) | named)).status_code

    assert [await status(ann), await status(ann, x_tenant_id="ann"), await status(bob)] == [200, 200, 404]
    assert await status(bob, x_tenant_id="ann") == 403
    assert [await status(admin), await status(admin, x_tenant_id="ann")] == [404, 200]
    again = await production.http.post(CHAT, json=ASK, headers=bearer(bob))
    assert "x-llm-router-cache" not in again.headers


@pytest.mark.parametrize(
    ("asked", "status", "used"),
    [({}, 200, "pro"), ({"user_tier": "free"}, 200, "free"), ({"user_tier": "enterprise"}, 403, None)],
)
async def test_the_tier_is_the_keys_or_a_lower_one(
    production: FakeRouter, asked: dict[str, str], status: int, used: str | None
) -> None:
    headers = bearer(await make_key(production.store))
    response = await production.http.post(CHAT, json=ASK | asked, headers=headers)
    assert response.status_code == status, response.text
    if used is None:
        error = response.json()["error"]
        assert (error["code"], error["param"]) == ("forbidden", "user_tier")
    else:
        path = f"/api/v1/requests/{response.headers['x-llm-router-request-id']}"
        assert (await production.http.get(path, headers=headers)).json()["decision"]["tier"] == used


async def test_development_takes_no_key_a_placeholder_and_a_good_key_and_refuses_a_wrong_one(
    router: FakeRouter,
) -> None:
    async def ask(headers: dict[str, str], tier: str) -> int:
        return (await router.http.post(ROUTE, json={**ASK, "user_tier": tier}, headers=headers)).status_code

    key = bearer(await make_key(router.store))
    assert [await ask({}, "enterprise"), await ask(bearer("none"), "enterprise")] == [200, 200]
    assert [await ask(key, "pro"), await ask(key, "enterprise")] == [200, 403]
    assert await ask(bearer(make_token()[1]), "pro") == 401


async def test_the_day_of_use_is_kept(production: FakeRouter) -> None:
    token = await make_key(production.store)
    before = datetime.now(UTC).date()
    await production.http.get("/v1/models", headers=bearer(token))
    for _ in range(100):
        (key,) = await production.store.keys.all()
        if key.last_used_on:
            break
    assert key.last_used_on in (before, datetime.now(UTC).date())
