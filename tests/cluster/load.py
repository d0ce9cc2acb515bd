"""A steady load of mixed requests on running routers whose provider is an Echo, and what came of each."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, product
from uuid import uuid4

import httpx
import orjson

from tests.fakes.echo import split
from tests.servers.process import wait_until

RATE, CLIENTS = 50, 10  # requests a second
TENANTS = ("acme", "globex")
REPEATED = tuple(f"Repeat line {number}" for number in range(6))
IN_TIME_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    tenant: str
    query: str
    cause: str
    id: str
    text: str
    model: str

    @property
    def cached(self) -> bool:
        return self.cause == "cache"


class CutStream(Exception):
    """A stream that had begun. `told`: it ended in an error event."""

    def __init__(self, what: str, *, told: bool) -> None:
        super().__init__(what)
        self.told = told


@dataclass(frozen=True, slots=True)
class Failure:
    url: str
    what: str
    error: Exception


@dataclass
class Load:
    """Answers with status 200 that came whole, and all others, in the order of their ends."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    clients: int = CLIENTS

    @property
    def lost(self) -> list[Failure]:
        """All but the streams that had begun."""
        return [failure for failure in self.failures if not isinstance(failure.error, CutStream)]

    @property
    def broken_off(self) -> list[Failure]:
        """The streams that had begun and did not even tell of their end."""
        return [failure for failure in self.failures if isinstance(failure.error, CutStream) and not failure.error.told]

    @property
    def hits(self) -> int:
        return sum(answer.cached for answer in list(self.answers))

    def wait_for(self, more: int, what: str) -> Sequence[Answer]:
        """So many more answers to requests that were sent after this call. Each client has one request on its way."""
        before = len(self.answers) + self.clients
        wait_until(lambda: len(self.answers) >= before + more, IN_TIME_S, f"{more} answers {what}")
        return self.answers[before:]

    def wait_for_hits(self, more: int, what: str) -> None:
        before = self.hits
        wait_until(lambda: self.hits >= before + more, IN_TIME_S, f"{more} answers from the cache {what}")

    def wrong(self) -> list[Answer]:
        """Those that do not belong to their question, or went to another tenant too."""
        askers = defaultdict(set)
        for answer in self.answers:
            askers[split(answer.text)[1]].add((answer.tenant, answer.query))
        parts = ((answer, *split(answer.text)) for answer in self.answers)
        return [answer for answer, question, call in parts if question != answer.query or len(askers[call]) > 1]

    def check(self) -> None:
        """Each answer belongs to its question, and an answer of one tenant went to no other."""
        assert self.wrong() == []
        assert len({answer.id for answer in self.answers}) == len(self.answers), "two answers with one id"


@contextmanager
def load(urls: Sequence[str], padding: str = "", *, model: str | None = None, clients: int = CLIENTS) -> Iterator[Load]:
    """Until the end of the block: half of the requests are new and past the cache, half of them streamed.

    `padding` makes each query as much longer. With a `model`, `auto` among them, all requests are new and for it.
    """
    loaded, stop = Load(clients=clients), threading.Event()
    threads = [
        threading.Thread(target=_client, args=(urls[number % len(urls)], padding, model, loaded, stop))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield loaded
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _client(url: str, padding: str, model: str | None, loaded: Load, stop: threading.Event) -> None:
    kinds = cycle(product(REPEATED, TENANTS, (True, False), (True, False)))
    with httpx.Client(base_url=url, timeout=30) as http:
        while not stop.wait(loaded.clients / RATE):
            repeated, tenant, fresh, streamed = next(kinds)
            fresh = fresh or model is not None
            query = (f"Fresh line {uuid4().hex}" if fresh else repeated) + padding
            named = model or ("strong" if fresh else "medium")
            try:
                loaded.answers.append(_ask(http, tenant, query, named, fresh, streamed))
            except (httpx.HTTPError, CutStream) as error:
                what = f"{tenant}, {query[:50]}, streamed {streamed}: {error!r}"
                loaded.failures.append(Failure(url, what, error))


def _ask(http: httpx.Client, tenant: str, query: str, model: str, fresh: bool, streamed: bool) -> Answer:
    """Raises HTTPError, or CutStream."""
    body = {"query": query, "user_id": "load", "cache": not fresh, "stream": streamed, "model": model}
    with http.stream("POST", "/api/v1/chat", json=body, headers={"X-Tenant-ID": tenant}) as response:
        if response.status_code != 200:
            response.read()
            raise httpx.HTTPStatusError(response.text, request=response.request, response=response)
        cause, id_, by = (response.headers[f"x-llm-router-{name}"] for name in ("cause", "request-id", "model"))
        text = streamed_text(response) if streamed else orjson.loads(response.read())["response"]
    return Answer(tenant, query, cause, id_, text, by)


def streamed_text(response: httpx.Response) -> str:
    """Raises CutStream."""
    try:
        body = response.read().decode()
    except httpx.HTTPError as error:
        raise CutStream(f"a stream broke off: {error!r}", told=False) from error
    parts = body.removesuffix("\n\n").split("\n\n")
    events = [part.split("\ndata: ") for part in parts if not part.startswith(":")]
    name, *data = events[-1]
    if name != "event: usage":
        raise CutStream(f"a stream ended with {events[-1]}", told=name == "event: error" and _is_error(data))
    return "".join(orjson.loads(data)["text"] for name, data in events if name == "event: delta")


def _is_error(data: list[str]) -> bool:
    return {"code", "message", "request_id"} <= orjson.loads("".join(data))["error"].keys()
