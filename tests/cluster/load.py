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
    cached: bool
    id: str
    text: str


@dataclass
class Load:
    """Answers with status 200 that came whole, and all others, in the order of their ends."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def hits(self) -> int:
        return sum(answer.cached for answer in list(self.answers))

    def wait_for(self, more: int, what: str) -> Sequence[Answer]:
        """So many more answers to requests that were sent after this call. Each client has one request on its way."""
        before = len(self.answers) + CLIENTS
        wait_until(lambda: len(self.answers) >= before + more, IN_TIME_S, f"{more} answers {what}")
        return self.answers[before:]

    def wait_for_hits(self, more: int, what: str) -> None:
        before = self.hits
        wait_until(lambda: self.hits >= before + more, IN_TIME_S, f"{more} answers from the cache {what}")

    def check(self) -> None:
        """Each answer belongs to its question, and an answer of one tenant went to no other."""
        askers = defaultdict(set)
        for answer in self.answers:
            question, call = split(answer.text)
            assert question == answer.query, answer
            askers[call].add((answer.tenant, answer.query))
        mixed = {call: who for call, who in askers.items() if len(who) > 1}
        assert not mixed, mixed
        assert len({answer.id for answer in self.answers}) == len(self.answers), "two answers with one id"


@contextmanager
def load(urls: Sequence[str], padding: str = "") -> Iterator[Load]:
    """Until the end of the block: half of the requests are new and past the cache, half of them streamed.

    `padding` makes each query as much longer.
    """
    loaded, stop = Load(), threading.Event()
    threads = [
        threading.Thread(target=_client, args=(urls[number % len(urls)], padding, loaded, stop))
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield loaded
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _client(url: str, padding: str, loaded: Load, stop: threading.Event) -> None:
    kinds = cycle(product(REPEATED, TENANTS, (True, False), (True, False)))
    with httpx.Client(base_url=url, timeout=30) as http:
        while not stop.wait(CLIENTS / RATE):
            repeated, tenant, fresh, streamed = next(kinds)
            query = (f"Fresh line {uuid4().hex}" if fresh else repeated) + padding
            try:
                loaded.answers.append(_ask(http, tenant, query, fresh, streamed))
            except (httpx.HTTPError, ValueError) as error:
                loaded.failures.append(f"{url}: {tenant}, {query[:50]}, streamed {streamed}: {error!r}")


def _ask(http: httpx.Client, tenant: str, query: str, fresh: bool, streamed: bool) -> Answer:
    """Raises HTTPError, or ValueError for a stream that broke off."""
    body = {"query": query, "user_id": "load", "cache": not fresh, "stream": streamed}
    body["model"] = "strong" if fresh else "medium"
    response = http.post("/api/v1/chat", json=body, headers={"X-Tenant-ID": tenant}).raise_for_status()
    cause, id_ = response.headers["x-llm-router-cause"], response.headers["x-llm-router-request-id"]
    text = _streamed(response.text) if streamed else response.json()["response"]
    return Answer(tenant, query, cause == "cache", id_, text)


def _streamed(body: str) -> str:
    events = [event.split("\ndata: ") for event in body.removesuffix("\n\n").split("\n\n")]
    if events[-1][0] != "event: usage":
        raise ValueError(f"a stream ended with {events[-1]}")
    return "".join(orjson.loads(data)["text"] for name, data in events if name == "event: delta")
