"""The short way to a handler: a body that is right takes it, everything else takes FastAPI's."""

from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

JSON = "application/json"
PARAMETERS = {"body", "request"}


class QuickRoute(APIRoute):
    """Of handlers with the parameters `body` and `request`, and nothing else to be solved.

    The way is FastAPI's, less what such a handler does not need, which took a tenth of the ingress's time. A body that
    is refused goes the long way again, so that its answer is FastAPI's.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        usual, field, endpoint = super().get_route_handler(), self.body_field, self.endpoint
        if field is None or self.dependencies or signature(endpoint).parameters.keys() != PARAMETERS:
            return usual

        async def quick(request: Request) -> Response:
            if request.headers.get("content-type") != JSON:
                return await usual(request)
            try:
                body, refused = field.validate(await request.json(), {}, loc=("body",))
            except ValueError:  # no JSON
                return await usual(request)
            if refused:
                return await usual(request)
            response: Response = await endpoint(body=body, request=request)
            return response

        return quick
