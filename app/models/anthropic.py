"""A model behind Anthropic's Messages API, called through the official SDK and shown as an OpenAI model."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from app.completion import Chunk, Completion, Prompt
from app.errors import UpstreamError
from app.models.anthropic_answer import StreamReader, to_completion
from app.models.anthropic_request import SAMPLING, to_request
from app.models.catalogue import ModelSpec
from app.models.parameters import stream_options
from app.models.upstream_errors import encoded, from_answer, from_status, invalid_answer, mapped, unreachable

if TYPE_CHECKING:
    from anthropic import APIStatusError

_CONNECT_TIMEOUT_S = 5.0

# Later versions of the API refuse sampling parameters even for models that take them.
_SAMPLING_VERSION = {"anthropic-version": "2023-06-01"}


class AnthropicClient:
    """A `ModelClient` with a connection pool of its own: `close` it. Construction imports the SDK, a matter of 1 s."""

    def __init__(self, spec: ModelSpec, api_key: str | None) -> None:
        import anthropic
        import httpx2

        self._spec = spec
        self._sdk = anthropic.AsyncAnthropic(
            api_key=api_key or "none",  # with no key at all the SDK would look for other credentials on the machine
            base_url=spec.url,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=_CONNECT_TIMEOUT_S),
            http_client=anthropic.DefaultAioHttpClient(follow_redirects=False),
        )

    async def close(self) -> None:
        await self._sdk.close()

    async def complete(self, prompt: Prompt) -> Completion:
        import httpx2

        request = to_request(self._spec, prompt)
        with self._mapped():
            response: httpx2.Response = await self._post(request, cast_to=httpx2.Response)
            answer = orjson.loads(response.content)
            if answer.get("type") == "error":
                raise from_answer(self._spec, answer)
            return to_completion(answer)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        from anthropic import AsyncStream

        request = to_request(self._spec, prompt) | {"stream": True}
        usage_wanted = bool(stream_options(self._spec, prompt).get("include_usage"))
        reader = StreamReader(usage_wanted=usage_wanted)
        with self._mapped():
            events = await self._post(request, cast_to=object, stream=True, stream_cls=AsyncStream[object])
            async with events:
                async for event in events:
                    if chunk := reader.feed(event):
                        yield chunk
            if not reader.done:
                raise invalid_answer(self._spec, "was cut off")

    async def _post(self, request: Mapping[str, Any], **how: Any) -> Any:
        headers = {} if SAMPLING.isdisjoint(request) else _SAMPLING_VERSION
        body = encoded(self._spec, request)
        return await self._sdk.post("/v1/messages", content=body, options={"headers": headers}, **how)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """As `mapped`, for the exceptions of the SDK."""
        import anthropic
        import httpx2

        with mapped(self._spec):
            try:
                yield
            except anthropic.APIStatusError as error:
                raise self._refusal(error) from None  # the SDK's text holds the provider's whole answer
            except anthropic.APITimeoutError as error:
                raise TimeoutError from error
            except anthropic.APIConnectionError as error:
                if isinstance(error.__cause__, httpx2.ReadError):
                    raise invalid_answer(self._spec, "was cut off") from error
                raise unreachable(self._spec, error.__cause__ or error) from error
            except httpx2.TransportError as error:
                raise invalid_answer(self._spec, "was cut off") from error

    def _refusal(self, error: "APIStatusError") -> UpstreamError:
        response = error.response
        if response.status_code == 200:  # an error event within a stream
            return from_answer(self._spec, error.body if isinstance(error.body, dict) else {})
        return from_status(self._spec, response.status_code, response.headers, response.content)
