"""The board of the breakers in Ray's GCS, for replicas without a Redis: there is no process that could be lost."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from time import time
from typing import Any, TypeVar

import orjson
from ray.experimental import internal_kv

T = TypeVar("T")
FORMAT = 1  # goes up when the notes change


class GcsBoard:
    """A Board of one application. Keys do not expire here: a lease is a slot of time, taken by who writes first."""

    def __init__(self, application: str, clock: Callable[[], float] = time) -> None:
        self._prefix = f"llm_router:{application}:breakers:{FORMAT}"
        self._clock = clock
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[Any] | None = None

    async def read(self) -> Mapping[str, bytes]:
        return await self._in_thread(self._read)

    async def post(self, notes: Mapping[str, bytes]) -> None:
        """Two replicas may overwrite each other; whose note is lost posts it again."""
        await self._in_thread(lambda: self._write(notes))

    async def lease(self, name: str, owner: str, for_s: float) -> bool:
        return await self._in_thread(lambda: self._lease(name, owner, for_s))

    async def release(self, name: str, owner: str) -> None:
        await self._in_thread(lambda: self._release(name, owner))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Raises TimeoutError while an earlier call hangs, instead of waiting in line behind it."""
        if self._last is not None and not self._last.done():
            raise TimeoutError("the GCS does not answer")
        self._last = self._thread.submit(work)
        result: T = await asyncio.wrap_future(self._last)
        return result

    def _read(self) -> dict[str, bytes]:
        notes = orjson.loads(internal_kv._internal_kv_get(self._prefix) or b"{}")
        return {name: note.encode() for name, note in notes.items()}

    def _write(self, notes: Mapping[str, bytes]) -> None:
        both = self._read() | dict(notes)
        content = orjson.dumps({name: note.decode() for name, note in both.items()})
        internal_kv._internal_kv_put(self._prefix, content)

    def _lease(self, name: str, owner: str, for_s: float) -> bool:
        """This slot, and the next one, so that it holds for `for_s` at least."""
        slot = int(self._clock() / for_s)
        if not self._taken(name, owner, slot):
            return False
        internal_kv._internal_kv_del(f"{self._lease_key(name)}{slot - 1}")
        return self._taken(name, owner, slot + 1)

    def _taken(self, name: str, owner: str, slot: int) -> bool:
        key = f"{self._lease_key(name)}{slot}"
        internal_kv._internal_kv_put(key, owner, overwrite=False)
        return bool(internal_kv._internal_kv_get(key) == owner.encode())

    def _release(self, name: str, owner: str) -> None:
        for key in internal_kv._internal_kv_list(self._lease_key(name)):
            if internal_kv._internal_kv_get(key) == owner.encode():
                internal_kv._internal_kv_del(key)

    def _lease_key(self, name: str) -> str:
        return f"{self._prefix}:probe:{name}:"
