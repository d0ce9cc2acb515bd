"""The collections of the memory in Chroma: one a tenant, or one for all."""

from collections.abc import Iterator
from hashlib import sha256

from chromadb.api.client import Client
from chromadb.api.models.Collection import Collection
from chromadb.errors import NotFoundError

from app.artifacts.minilm import DIMENSIONS, ENCODER
from app.errors import ConfigError

PREFIX = "llm-router-memory-"
ALL = "all"
FORMAT = 1  # of the metadata of a memory: raise it when that changes


class Shelves:
    """Collections by tenant, each checked when it is first found. Every method asks Chroma, and blocks.

    A filter on the tenant would make a lookup slow, so that each tenant has a collection of his own.
    """

    def __init__(self, client: Client, where: str, *, shared: bool) -> None:
        self._client = client
        self._where = where
        self._shared = shared
        self._known: dict[str, Collection] = {}

    def name(self, tenant: str) -> str:
        """Digested: a tenant's name may hold any character."""
        return PREFIX + (ALL if self._shared else sha256(tenant.encode()).hexdigest()[:32])

    def find(self, tenant: str) -> Collection | None:
        """None when nothing is remembered yet. Raises ConfigError for memories of another encoder or format."""
        name = self.name(tenant)
        if name not in self._known:
            try:
                self._known[name] = self._checked(self._client.get_collection(name, embedding_function=None))
            except NotFoundError:
                return None
        return self._known[name]

    def make(self, tenant: str) -> Collection:
        """The collection of a tenant, new when there was none. Raises ConfigError as `find` does."""
        found = self.find(tenant)
        if found is None:
            metadata = {"tenant": ALL if self._shared else tenant, "hnsw:space": "cosine", **_expected()}
            name = self.name(tenant)
            found = self._client.get_or_create_collection(name, embedding_function=None, metadata=metadata)
            self._known[name] = self._checked(found)
        return found

    def every(self) -> Iterator[Collection]:
        """Of this scope. Raises ConfigError as `find` does."""
        for collection in self._client.list_collections():
            if collection.name.startswith(PREFIX) and (collection.name == PREFIX + ALL) == self._shared:
                yield self._checked(collection)

    def refresh(self) -> None:
        """Somebody else may have deleted collections and made new ones."""
        self._known.clear()

    def empty(self) -> None:
        """Deletes every memory of any scope, whatever made it."""
        for collection in self._client.list_collections():
            if collection.name.startswith(PREFIX):
                self._client.delete_collection(collection.name)
        self.refresh()

    def _checked(self, collection: Collection) -> Collection:
        found = collection.metadata or {}
        wrong = [
            f"{name} {found.get(name)!r}, not {value!r}"
            for name, value in _expected().items()
            if found.get(name) != value
        ]
        if wrong:
            raise ConfigError(
                f"the memory in {self._where} was made with {'; '.join(wrong)}: rebuild it with "
                "`python -m train.build_index --fresh`, or use another folder"
            )
        return collection


def _expected() -> dict[str, str | int]:
    return {"encoder": ENCODER, "dimension": DIMENSIONS, "format": FORMAT}
