from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain import Provider
from app.errors import ConfigError
from app.models.availability import Availability
from app.models.breaker import Breakers
from app.models.catalogue import Catalogue
from app.paths import project_path
from tests.fakes.local import FakeLocalBackend

MODEL = {
    "id": "m",
    "provider": "openai",
    "upstream_name": "m",
    "context_window_tokens": 1000,
    "capabilities": ["chat"],
    "quality_tier": "low",
    "expected_latency_ms": 100,
}


def read(tmp_path: Path, *models: dict[str, Any]) -> Catalogue:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": list(models)}))
    return Catalogue.read(path)


def test_the_shipped_catalogue_has_every_kind_of_provider_that_needs_no_url() -> None:
    models = Catalogue.read(project_path("configs/models.yaml")).models
    assert {spec.provider for spec in models.values()} == {Provider.LOCAL, Provider.OPENAI, Provider.ANTHROPIC}
    assert models["claude-sonnet"].url == "https://api.anthropic.com"
    assert models["gpt-4.1"].key_name == "OPENAI_API_KEY"


def test_an_unknown_price_is_none_and_not_zero(tmp_path: Path) -> None:
    prices = read(tmp_path, MODEL).models["m"].prices_usd_per_million
    assert (prices.input, prices.cached_input, prices.output) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"provider": "openai-compatible"}, "needs base_url"),
        ({"provider": "local", "base_url": "http://x/v1"}, "neither base_url nor key_variable"),
        ({"provider": "azure"}, "provider"),
        ({"id": "auto"}, "let the router choose"),
        ({"id": "a b"}, "models.0.id"),
        ({"prices_usd_per_million": {"input": -1}}, "prices_usd_per_million.input"),
        ({"prices_usd_per_million": {"input": float("nan")}}, "prices_usd_per_million.input"),
        ({"prices_usd_per_million": {"inputs": 1}}, "unknown key; allowed here: cached_input, input, output"),
        ({"context_window_tokens": 0}, "context_window_tokens"),
        ({"capabilities": ["fly"]}, "capabilities"),
        ({"quality_tier": "top"}, "quality_tier"),
        ({"allowed_tiers": []}, "allowed_tiers"),
        ({"allowed_tiers": ["gold"]}, "allowed_tiers"),
        ({"base_url": "not a url"}, "base_url"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, {**MODEL, **change})
    assert expected in error.value.message
    assert "models.yaml" in error.value.message


def test_ids_are_unique(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="given more than once: m"):
        read(tmp_path, MODEL, MODEL)


def test_a_model_without_its_key_is_unavailable_with_the_reason(tmp_path: Path) -> None:
    local = {**MODEL, "id": "l", "provider": "local"}
    free = {**MODEL, "id": "f", "provider": "openai-compatible", "base_url": "http://127.0.0.1:1/v1"}
    catalogue = read(tmp_path, MODEL, local, free)
    closed = Breakers(catalogue.models, threshold=1)
    without = Availability(catalogue, {}, FakeLocalBackend("loading"), closed)
    assert without.unavailable() == {"m": "no_key:OPENAI_API_KEY", "l": "loading"}
    assert Availability(catalogue, {"OPENAI_API_KEY": "k"}, FakeLocalBackend(), closed).unavailable() == {}
