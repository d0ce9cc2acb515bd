"""A model behind OpenAI's chat completions API, or a server that speaks the same.

It speaks HTTP itself: measured, that serves more than twice the requests of the `openai` package
(tests/bench/model_clients.py).
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson

from app.completion import Chunk, Completion, Prompt, Usage
from app.domain import Provider
from app.models.catalogue import ModelSpec
from app.models.parameters import accepted, stream_options
from app.models.sse import EventDecoder
from app.models.upstream_errors import encoded, from_answer, from_status, invalid_answer, mapped

_CONNECT_TIMEOUT_S = 5.0
_DONE = b"[DONE]"


def open_session() -> aiohttp.ClientSession:
    """The connection pool that all clients of a process share. Needs a running loop; whoever opens it closes it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),  # one caller's cookie is none of the next one's business
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
    )


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for `url` (HTTPS_PROXY, NO_PROXY, ...).

    Looked up once a client: aiohttp's own `trust_env` does it at each request, and took 30 % of the ingress's time.
    """
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


class OpenAIClient:
    """A `ModelClient`."""

    def __init__(self, spec: ModelSpec, session: aiohttp.ClientSession, api_key: str | None) -> None:
        self._spec = spec
        self._session = session
        self._url = f"{spec.url}/chat/completions"
        self._proxy = proxy_for(self._url)
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"

    async def complete(self, prompt: Prompt) -> Completion:
        body = self._body(prompt)
        body.pop("stream_options", None)
        with mapped(self._spec):
            async with self._post({**body, "stream": False}) as response:
                await self._check(response)
                return read_completion(self._spec, await response.read())

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        options = stream_options(self._spec, prompt)
        body = self._body(prompt) | {"stream": True, "stream_options": {**options, "include_usage": True}}
        events = EventDecoder()
        reader = ChunkReader(self._spec, usage_wanted=bool(options.get("include_usage")))
        with mapped(self._spec):
            async with self._post(body) as response:
                await self._check(response)
                async for piece in response.content.iter_any():
                    for event in events.feed(piece):
                        if chunk := reader.read(event):
                            yield chunk
                    if reader.done:
                        break
                for event in events.finish():
                    if chunk := reader.read(event):
                        yield chunk
                reader.check_end()

    async def close(self) -> None:
        """The session belongs to whoever opened it."""

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        parameters = accepted(self._spec, prompt)
        renamed = self._spec.provider is Provider.OPENAI and "max_completion_tokens" not in parameters
        if renamed and "max_tokens" in parameters:
            # OpenAI's reasoning models refuse the old name; all of its models take the new one.
            parameters["max_completion_tokens"] = parameters.pop("max_tokens")
        return {**parameters, "model": self._spec.upstream_name, "messages": prompt.messages}

    def _post(self, body: Mapping[str, Any]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        data = encoded(self._spec, body)
        return self._session.post(self._url, data=data, headers=self._headers, proxy=self._proxy, allow_redirects=False)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 200:
            raise from_status(self._spec, response.status, response.headers, await response.read())


def read_completion(spec: ModelSpec, body: bytes) -> Completion:
    """Raises UpstreamError for an answer that is an error, or is none."""
    with mapped(spec):
        answer = _object(spec, body)
        if not answer.get("choices"):
            raise invalid_answer(spec, "has no choices")
        message = answer["choices"][0]["message"]
        text = message.get("content") or message.get("refusal")
        return Completion(text=_text(text), usage=_usage(answer.get("usage")) or Usage(), body=body)


class ChunkReader:
    """Reads the events of one stream. `done` once the provider has said so."""

    def __init__(self, spec: ModelSpec, *, usage_wanted: bool) -> None:
        self._spec = spec
        self._usage_wanted = usage_wanted
        self._started = False
        self._finished = False
        self.done = False

    def read(self, data: bytes) -> Chunk | None:
        """The chunk in an event's data, None at the end. Its data is empty when the caller did not ask for it."""
        self.done = self.done or data.strip() == _DONE
        if self.done:
            return None
        with mapped(self._spec):
            return self._chunk(data, _object(self._spec, data))

    def check_end(self) -> None:
        """Raises UpstreamInvalidAnswer if the stream ended before the answer did."""
        if not self._started:
            raise invalid_answer(self._spec, "is an empty stream")
        if not (self.done or self._finished):
            raise invalid_answer(self._spec, "was cut off")

    def _chunk(self, data: bytes, answer: Mapping[str, Any]) -> Chunk:
        usage = _usage(answer.get("usage"))
        choices = answer.get("choices")
        if choices:
            self._started = True
            self._finished = self._finished or any(choice.get("finish_reason") for choice in choices)
            return Chunk(data=_one_line(data, answer), text=_delta_text(choices[0]), usage=usage)
        if choices is None and usage is None:
            raise invalid_answer(self._spec, "has a chunk without choices")
        hidden = usage is not None and not self._usage_wanted
        return Chunk(data=b"" if hidden else _one_line(data, answer), usage=usage)


def _delta_text(choice: Mapping[str, Any]) -> str:
    delta = choice.get("delta") or {}
    return _text(delta.get("content") or delta.get("refusal"))


def _text(content: object) -> str:
    """Some models give their thoughts and their text as parts. Raises TypeError for what is no text."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError("content is no text")
    return content or ""


def _one_line(data: bytes, answer: Mapping[str, Any]) -> bytes:
    """An event of several lines cannot be sent on as one line of data."""
    return orjson.dumps(answer) if b"\n" in data else data


def _object(spec: ModelSpec, data: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise invalid_answer(spec, "is not a JSON object")
    if answer.get("error"):
        raise from_answer(spec, answer)
    return answer


def _usage(usage: Mapping[str, Any] | None) -> Usage | None:
    if not usage:
        return None
    details = usage.get("prompt_tokens_details") or {}
    return Usage.counted(
        input_tokens=usage.get("prompt_tokens") or 0,
        output_tokens=usage.get("completion_tokens") or 0,
        cached_input_tokens=details.get("cached_tokens") or 0,
    )
