"""What stands before the API: hosts, headers and keys."""

from dataclasses import dataclass
from functools import partial

import orjson
from fastapi import Depends, FastAPI, Response

from app.api import document
from app.api.access import Access
from app.api.hosts import TrustedHosts
from app.api.last_resort import LastResort
from app.api.request import admin_only
from app.api.safety import SafeHeaders
from app.keys.ring import KeyRing

OPENAPI = "/openapi.json"


@dataclass(frozen=True, slots=True)
class Guard:
    """`trusted_hosts` are names, or `*.name` for all below it; `*` is any."""

    keys_required: bool = False
    trusted_hosts: tuple[str, ...] = ("*",)
    tls_in_front: bool = False

    def install(self, api: FastAPI, ring: KeyRing) -> None:
        """What is added last comes first: even a refused request gets safe headers."""
        api.openapi = partial(document.make, api, keys_required=self.keys_required)  # type: ignore[method-assign]
        if self.keys_required:  # FastAPI's own route, and with it /docs, is open to everybody: it is left off
            self._show_document(api)
        api.add_middleware(Access, ring=ring, required=self.keys_required)
        if "*" not in self.trusted_hosts:
            api.add_middleware(TrustedHosts, allowed=self.trusted_hosts)
        api.add_middleware(LastResort)
        api.add_middleware(SafeHeaders, tls_in_front=self.tls_in_front)

    def _show_document(self, api: FastAPI) -> None:
        @api.get(OPENAPI, include_in_schema=False, dependencies=[Depends(admin_only)])
        async def openapi() -> Response:
            return Response(orjson.dumps(api.openapi()), media_type="application/json")
