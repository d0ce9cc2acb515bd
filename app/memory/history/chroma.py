"""The memory in Chroma, a folder or a server."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import Any, Self, TypeVar

import numpy
from chromadb.api.models.Collection import Collection
from chromadb.errors import NotFoundError

from app.errors import MemoryUnavailable, RouterError
from app.memory.history.chroma_client import Connection, open_folder, open_server
from app.memory.history.config import MemoryConfig
from app.memory.history.memory import Memory, Neighbour, Rating, neighbour, owner, rated, to_metadata
from app.memory.history.shelves import Shelves
from app.memory.history.store import Asked
from app.paths import project_path

CHUNK = 32  # written in one go, some 30 ms: lookups wait no longer for it
SURPLUS = 100  # what goes beyond the bound is a hundredth of it, as deleting is dear
Item = TypeVar("Item", Memory, Rating)
Result = TypeVar("Result")


class ChromaHistory:
    """All calls run on one thread, in their order; long ones in pieces, so that lookups come in between."""

    def __init__(self, config: MemoryConfig, url: str | None) -> None:
        self._config = config
        self._url = url
        self._thread = ThreadPoolExecutor(1, "chroma")
        self._counts: dict[str, int] = {}
        self._connection: Connection
        self._shelves: Shelves

    @classmethod
    async def open(cls, config: MemoryConfig, url: str | None, *, fresh: bool = False) -> Self:
        """`url` is CHROMA_URL; without it, the folder. `fresh`: whatever is remembered there is deleted first.

        Raises ConfigError when it can never work as it is, MemoryUnavailable when a server does not answer.
        """
        history = cls(config, url)
        try:
            await history._run(history._open, fresh)
        except BaseException:
            history._thread.shutdown(wait=False)
            raise
        return history

    async def add(self, memories: Sequence[Memory]) -> None:
        for chunk in _chunks(list({_id(one.tenant, one.request_id): one for one in memories}.values())):
            for tenant in await self._run(self._add, chunk):
                await self._keep_bound(tenant)

    async def rate(self, ratings: Sequence[Rating]) -> None:
        for chunk in _chunks(list({_id(one.tenant, one.request_id): one for one in ratings}.values())):
            await self._run(self._rate, chunk)

    async def recall(self, asked: Sequence[Asked]) -> list[list[Neighbour]]:
        return await self._run(self._recall, asked)

    async def forget_user(self, tenant: str, user_id: str) -> int:
        total = 0
        while gone := await self._run(self._forget, tenant, user_id):
            total += gone
        return total

    async def count(self) -> int:
        return sum(self._counts.values())

    async def close(self) -> None:
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[..., Result], *args: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work, *args)

    def _guarded(self, work: Callable[..., Result], *args: Any) -> Result:
        try:
            try:
                return work(*args)
            except NotFoundError:  # a collection that somebody else has deleted
                self._shelves.refresh()
                return work(*args)
        except RouterError:
            raise
        except BaseException as error:  # Chroma panics in Rust with what is no Exception
            raise MemoryUnavailable(f"the memory in {self._where()} failed: {error}"[:300]) from error

    def _where(self) -> str:
        return self._connection.where if hasattr(self, "_connection") else "Chroma"

    def _open(self, fresh: bool) -> None:
        connection = open_server(self._url) if self._url else open_folder(project_path(self._config.folder))
        try:
            shelves = Shelves(connection.client, connection.where, shared=self._config.scope == "all")
            if fresh:
                shelves.empty()
            self._counts = {one.name: one.count() for one in shelves.every()}
        except BaseException:
            connection.close()
            raise
        self._connection, self._shelves = connection, shelves

    def _add(self, memories: Sequence[Memory]) -> list[str]:
        """The tenants whose collections are beyond the bound."""
        full = []
        for tenant, mine in _by_tenant(memories).items():
            collection = self._shelves.make(tenant)
            collection.upsert(
                ids=[_id(tenant, one.request_id) for one in mine],
                embeddings=_matrix(one.vector for one in mine),
                metadatas=[dict(to_metadata(one)) for one in mine],
            )
            if self._recount(collection) > self._config.max_memories:
                full.append(tenant)
        return full

    async def _keep_bound(self, tenant: str) -> None:
        surplus = self._counts[self._shelves.name(tenant)] - self._config.max_memories
        left = surplus + self._config.max_memories // SURPLUS
        while left > 0:
            await self._run(self._drop_oldest, tenant, min(left, CHUNK))
            left -= CHUNK

    def _drop_oldest(self, tenant: str, number: int) -> None:
        collection = self._shelves.make(tenant)
        collection.delete(ids=collection.get(limit=number, include=[])["ids"])  # Chroma gives them as they came
        self._recount(collection)

    def _rate(self, ratings: Sequence[Rating]) -> None:
        for tenant, mine in _by_tenant(ratings).items():
            collection = self._shelves.find(tenant)
            if collection is None:
                continue
            success = {_id(tenant, one.request_id): one.success for one in mine}
            found = collection.get(ids=list(success), include=["metadatas"])
            if found["ids"]:
                told = zip(found["ids"], found["metadatas"] or [], strict=True)
                collection.update(ids=found["ids"], metadatas=[dict(rated(old, success[id_])) for id_, old in told])

    def _recall(self, asked: Sequence[Asked]) -> list[list[Neighbour]]:
        """One query to each collection, however many ask it."""
        lines = defaultdict(list)
        for line, (tenant, _) in enumerate(asked):
            lines[self._shelves.name(tenant)].append(line)
        found: list[list[Neighbour]] = [[] for _ in asked]
        for mine in lines.values():
            collection = self._shelves.find(asked[mine[0]][0])
            if collection is not None:
                nearest = self._nearest(collection, [asked[line][1] for line in mine])
                for line, neighbours in zip(mine, nearest, strict=True):
                    found[line] = neighbours
        return found

    def _nearest(self, collection: Collection, vectors: Iterable[bytes]) -> Iterator[list[Neighbour]]:
        answer = collection.query(
            query_embeddings=_matrix(vectors), n_results=self._config.neighbours, include=["metadatas", "distances"]
        )
        now = time()
        for metadatas, distances in zip(answer["metadatas"] or [], answer["distances"] or [], strict=True):
            yield [neighbour(one, 1 - distance, now) for one, distance in zip(metadatas, distances, strict=True)]

    def _forget(self, tenant: str, user_id: str) -> int:
        collection = self._shelves.find(tenant)
        if collection is None:
            return 0
        ids = collection.get(where={"owner": owner(tenant, user_id)}, limit=CHUNK, include=[])["ids"]
        if ids:
            collection.delete(ids=ids)
            self._recount(collection)
        return len(ids)

    def _recount(self, collection: Collection) -> int:
        self._counts[collection.name] = count = collection.count()
        return count


def _id(tenant: str, request_id: str) -> str:
    return f"{tenant}/{request_id}"


def _by_tenant(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: defaultdict[str, list[Item]] = defaultdict(list)
    for one in items:
        found[one.tenant].append(one)
    return found


def _chunks(items: list[Item]) -> Iterator[list[Item]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _matrix(vectors: Iterable[bytes]) -> Any:
    return numpy.stack([numpy.frombuffer(vector, numpy.float32) for vector in vectors])
