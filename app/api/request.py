"""How a request body is read: bounded, as bytes, parsed once by orjson. Every request gets an id of its own."""

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from app.api.quick import QuickRoute
from app.domain import Tier
from app.errors import BodyTooLarge, Forbidden, InvalidRequest
from app.ids import new_id
from app.keys.key import TENANT, ApiKey

DEFAULT_TENANT = "default"
TIERS = tuple(Tier)  # lowest first
REQUEST_ID = re.compile(r"[!-~]{1,200}")


def request_id(request: Request) -> str:
    """The router's own. It is never the caller's, who may use one for several requests: rows are kept by it."""
    known: str | None = getattr(request.state, "request_id", None)
    if known is None:
        known = request.state.request_id = new_id()
    return known


def client_request_id(request: Request) -> str | None:
    """The caller's X-Request-ID, when it is 1 to 200 visible ASCII characters."""
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) and given != request_id(request) else None


def id_headers(request: Request) -> dict[str, str]:
    """Of every answer: the caller's id, or ours when there is none, and ours."""
    own = request_id(request)
    return {"x-request-id": client_request_id(request) or own, "x-llm-router-request-id": own}


def key(request: Request) -> ApiKey | None:
    """The one that the request came with; None only where none is required."""
    return getattr(request.state, "key", None)


def tenant(request: Request) -> str:
    """Whose data this is: the key's tenant. The header X-Tenant-ID names another one, for admins and without a key.

    Raises InvalidRequest when the header is malformed, Forbidden when it names a tenant that is not the key's.
    """
    mine = key(request)
    given = request.headers.get("x-tenant-id", mine.tenant if mine else DEFAULT_TENANT)
    if not TENANT.fullmatch(given):
        raise InvalidRequest("X-Tenant-ID has to be 1 to 64 letters, digits or one of . _ : -", param="X-Tenant-ID")
    if mine and given != mine.tenant and not mine.admin:
        raise Forbidden(
            f"X-Tenant-ID: this API key is of tenant {mine.tenant}; leave the header out", param="X-Tenant-ID"
        )
    return given


def tier(request: Request, asked: Tier | None) -> Tier:
    """The tier asked for, else the key's, else FREE. Raises Forbidden when it is above the key's."""
    mine = key(request)
    if mine is None:
        return asked or Tier.FREE
    if asked and TIERS.index(asked) > TIERS.index(mine.tier):
        raise Forbidden(f"user_tier: this API key is for {mine.tier}, not {asked}; ask for less", param="user_tier")
    return asked or mine.tier


async def admin_only(request: Request) -> None:
    """A dependency of routes that show more than one tenant's. Raises Forbidden."""
    mine = key(request)
    if mine and not mine.admin:
        raise Forbidden(
            "this takes an admin's API key; the operator makes one with `python -m app.keys create --admin`"
        )


def no_store(request: Request) -> bool:
    """Whether the caller forbids caches by `Cache-Control: no-store`."""
    return "no-store" in request.headers.get("cache-control", "").lower()


class BoundedRequest(Request):
    """Raises BodyTooLarge instead of reading more than `app.state.max_body_bytes`."""

    async def read(self) -> None:
        limit: int = self.app.state.max_body_bytes
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        parts, size = [], 0
        try:
            async for part in self.stream():
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
        except ClientDisconnect:
            raise InvalidRequest("the connection ended before the body did") from None
        self._body = b"".join(parts)

    async def json(self) -> Any:
        """Parsed once, however often it is asked for."""
        if not hasattr(self, "_json"):
            self._json = orjson.loads(await self.body())
        return self._json


class BoundedRoute(QuickRoute):
    """A route whose handler gets a BoundedRequest with its body already read. Its answer carries the ids."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            request = BoundedRequest(request.scope, request.receive)
            await request.read()
            response = await handle(request)
            response.raw_headers += _encoded(id_headers(request))
            return response

        return bounded


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """As ASGI takes them. None of them is there before, so that nothing has to be looked for."""
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit:,} bytes; send less, or raise max_body_mb of the router")
