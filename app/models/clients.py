"""A client for each model of the catalogue."""

from collections.abc import Mapping

import aiohttp

from app.domain import Provider
from app.models.anthropic import AnthropicClient
from app.models.catalogue import Catalogue, ModelSpec
from app.models.client import ModelClient
from app.models.local import LocalBackend, LocalClient
from app.models.openai import OpenAIClient


def build_clients(
    catalogue: Catalogue, variables: Mapping[str, str], session: aiohttp.ClientSession, backend: LocalBackend
) -> dict[str, ModelClient]:
    """Clients by model id. A model whose key is missing gets none: it is never eligible."""
    clients: dict[str, ModelClient] = {}
    for spec in catalogue.models.values():
        key = variables.get(spec.key_name) if spec.key_name else None
        if key or spec.key_name is None:
            clients[spec.id] = _client(spec, key, session, backend)
    return clients


def _client(spec: ModelSpec, key: str | None, session: aiohttp.ClientSession, backend: LocalBackend) -> ModelClient:
    if spec.provider is Provider.LOCAL:
        return LocalClient(spec, backend)
    if spec.provider is Provider.ANTHROPIC:
        return AnthropicClient(spec, key or "")
    return OpenAIClient(spec, session, key)
