"""Health, the catalogue, and the documentation."""

from tests.fakes.router import FakeRouter


async def test_health_counts_available_models(router: FakeRouter) -> None:
    body = (await router.http.get("/api/v1/health")).json()
    assert body["status"] == "ok"
    assert body["services"]["models"] == {"available": 3, "known": 4, "last_success": {}}
    assert body["version"]
    assert body["timestamp"].endswith("+00:00")


async def test_models_say_why_they_are_not_available(router: FakeRouter) -> None:
    router.local.reason = "loading"
    models = {model["id"]: model for model in (await router.http.get("/api/v1/models")).json()["models"]}
    assert (models["small"]["available"], models["small"]["reason"]) == (False, "loading")
    assert models["keyless"]["reason"] == "no_key:OPENAI_API_KEY"
    assert models["medium"]["available"]
    assert models["keyless"]["prices_usd_per_million"] == {"input": None, "cached_input": None, "output": None}


async def test_openapi_describes_every_request_field(router: FakeRouter) -> None:
    schemas = (await router.http.get("/openapi.json")).json()["components"]["schemas"]
    for name in ("ChatBody", "RouteBody", "CompletionBody"):
        undescribed = [
            field
            for field, about in schemas[name]["properties"].items()
            if "description" not in about and field != "messages"
        ]
        assert undescribed == [], name
    assert (await router.http.get("/docs")).status_code == 200
