"""Where memories are kept: the seam between the router and Chroma."""

from collections.abc import Sequence
from typing import Protocol

from app.memory.history.memory import Memory, Neighbour, Rating

Asked = tuple[str, bytes]  # a tenant, and a vector as in Memory


class History(Protocol):
    """Every method raises MemoryUnavailable when the store cannot be reached or fails."""

    async def add(self, memories: Sequence[Memory]) -> None:
        """A memory of the same tenant and request is replaced. Beyond the bound the oldest ones go."""

    async def rate(self, ratings: Sequence[Rating]) -> None:
        """The last rating of a request wins. One of a request that is not remembered is passed over."""

    async def recall(self, asked: Sequence[Asked]) -> list[list[Neighbour]]:
        """For each vector the nearest past queries, the most similar first; of its tenant, unless the scope is all."""

    async def forget_user(self, tenant: str, user_id: str) -> int:
        """How many memories were there."""

    async def count(self) -> int:
        """Of all tenants, as this process knows it."""

    async def close(self) -> None: ...
