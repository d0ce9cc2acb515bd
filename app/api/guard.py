"""What stands before the API: hosts, headers and keys. And what its OpenAPI document says of keys."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from fastapi import Depends, FastAPI, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from app.api.access import HEALTH, Access
from app.api.request import admin_only
from app.api.safety import SafeHeaders
from app.keys.ring import KeyRing

OPENAPI = "/openapi.json"
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


@dataclass(frozen=True, slots=True)
class Guard:
    """`trusted_hosts` are names, or `*.name` for all below it; `*` is any."""

    keys_required: bool = False
    trusted_hosts: tuple[str, ...] = ("*",)
    tls_in_front: bool = False

    def install(self, api: FastAPI, ring: KeyRing) -> None:
        """What is added last comes first: even a refused request gets safe headers."""
        api.openapi = partial(self._document, api)  # type: ignore[method-assign]
        if self.keys_required:  # FastAPI's own route, and with it /docs, is open to everybody: it is left off
            self._show_document(api)
        api.add_middleware(Access, ring=ring, required=self.keys_required)
        api.add_middleware(TrustedHostMiddleware, allowed_hosts=list(self.trusted_hosts), www_redirect=False)
        api.add_middleware(SafeHeaders, tls_in_front=self.tls_in_front)

    def _show_document(self, api: FastAPI) -> None:
        @api.get(OPENAPI, include_in_schema=False, dependencies=[Depends(admin_only)])
        async def openapi() -> Response:
            return Response(orjson.dumps(api.openapi()), media_type="application/json")

    def _document(self, api: FastAPI) -> dict[str, Any]:
        """FastAPI's own OpenAPI document, with the keys."""
        if not api.openapi_schema:
            document = FastAPI.openapi(api)
            either: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
            document["security"] = either if self.keys_required else [*either, {}]
            document["components"]["securitySchemes"] = SCHEMES
            document["paths"][HEALTH]["get"]["security"] = [*either, {}]
            api.openapi_schema = document
        return api.openapi_schema
