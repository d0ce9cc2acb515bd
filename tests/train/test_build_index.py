"""The memory rebuilt from files of outcomes and from a real database, by the command."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from app.artifacts.minilm import ensure_minilm
from app.domain import Recollection
from app.memory.embedder import MiniLMEmbedder
from app.memory.history.chroma import ChromaHistory
from app.memory.history.config import MemoryConfig
from app.memory.history.memory import Memory
from app.memory.history.weigh import recollect
from app.storage.database import open_database
from app.storage.records import Feedback
from app.storage.repository import Repository
from tests.app.storage.samples import NOW, decision, outcome
from train import build_index
from train.indexing import sources
from train.indexing.mark import NAME

pytestmark = pytest.mark.integration

LEAF, PRIME = "How does photosynthesis work in a leaf?", "Is 91 a prime number?"


def write_outcomes(path: Path, queries: Sequence[str]) -> Path:
    """Of two models: small fails, large answers."""
    outcomes = {"small": {"score": 0.0}, "large": {"score": 1.0, "cost_usd": 0.1, "out_tokens": 50}}
    lines = [json.dumps({"id": str(n), "query": query, "outcomes": outcomes}) for n, query in enumerate(queries)]
    path.write_text("\n".join(lines))
    return path


def recalled(folder: Path, text: str, tenant: str) -> tuple[int, Recollection]:
    """How many memories there are, and what they say of a text."""
    config = MemoryConfig(folder=str(folder), half_life_days=100_000)
    (vector,) = MiniLMEmbedder(ensure_minilm()).embed([text])

    async def ask() -> tuple[int, Recollection]:
        history = await ChromaHistory.open(config, None)
        try:
            (neighbours,) = await history.recall([(tenant, vector.tobytes())])
            return await history.count(), recollect(neighbours, config)
        finally:
            await history.close()

    return asyncio.run(ask())


def test_files_of_outcomes_become_memories_once_however_often(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = write_outcomes(tmp_path / "outcomes.jsonl", [LEAF, PRIME]), tmp_path / "memory"
    for _ in range(2):
        assert build_index.main(["--outcomes", str(file), "--folder", str(folder), "--tenant", "acme"]) == 0
    assert f"2 memories in {folder}" in capsys.readouterr().out
    count, found = recalled(folder, "How does photosynthesis work in leaves?", "acme")
    assert (count, found.neighbours, found.success) == (2, 1, {"small": 0.0, "large": 1.0})
    assert found.output_tokens == {"large": 50}
    assert recalled(folder, LEAF, "default")[1].neighbours == 0


def database(folder: Path) -> str:
    """Of a router: one request rated, one unrated with a model that failed, one cached, one without text."""
    url = f"sqlite:///{folder}/router.db"
    given = [
        (decision("rated", query_text=LEAF), outcome("rated", fallbacks=[])),
        (decision("unrated", query_text=PRIME), outcome("unrated")),
        (decision("cached", query_text=LEAF), outcome("cached", cache="exact")),
        (decision("bare", query_text=None), outcome("bare")),
    ]
    times = [NOW + timedelta(minutes=number // 2) for number in range(4)]  # some at the same moment
    given = [
        (replace(one, created_at=at), replace(end, created_at=at)) for (one, end), at in zip(given, times, strict=True)
    ]

    async def fill() -> None:
        opened = open_database(url)
        repository = Repository(opened)
        await repository.write([one for one, _ in given], [end for _, end in given])
        await repository.rate("acme", Feedback("rated", 4, None, NOW))
        await opened.close()

    asyncio.run(fill())
    return url


def test_the_database_is_remembered_with_its_ratings_and_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "PAGE", 1)
    folder = tmp_path / "memory"
    assert build_index.main(["--database", database(tmp_path), "--folder", str(folder)]) == 0
    told = capsys.readouterr()
    assert f"2 memories in {folder}" in told.out
    assert "1 skipped: stored without text" in told.err
    assert "1 skipped: answered by a cache" in told.err
    assert recalled(folder, LEAF, "acme")[1].success == pytest.approx({"small": 0.75})
    unrated = recalled(folder, PRIME, "acme")[1]
    assert (unrated.success, unrated.output_tokens) == ({"strong": 0.0}, {"small": 10})


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAGE", 2)
    file, folder = write_outcomes(tmp_path / "o.jsonl", [f"{LEAF} {n}" for n in range(6)]), tmp_path / "memory"
    arguments = ["--outcomes", str(file), "--folder", str(folder), "--fresh"]
    add, embedded = ChromaHistory.add, []

    async def dies_at_the_third(history: ChromaHistory, memories: Sequence[Memory]) -> None:
        if len(embedded) == 4:
            raise KeyboardInterrupt
        embedded.extend(one.request_id for one in memories)
        await add(history, memories)

    monkeypatch.setattr(ChromaHistory, "add", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        build_index.main(arguments)
    monkeypatch.setattr(ChromaHistory, "add", add)
    assert json.loads((folder / NAME).read_text())
    file_was_read = sources.OutcomeFile(file, "default")
    (positions,) = json.loads((folder / NAME).read_text()).values()
    assert positions == {file_was_read.name: 4}
    assert build_index.main(arguments) == 0
    assert recalled(folder, LEAF, "default")[0] == 6
    assert json.loads((folder / NAME).read_text()) == {}


def test_a_fresh_memory_has_nothing_of_before(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    for name, query in (("a.jsonl", LEAF), ("b.jsonl", PRIME)):
        file = write_outcomes(tmp_path / name, [query])
        assert build_index.main(["--outcomes", str(file), "--folder", str(folder), "--fresh"]) == 0
    count, found = recalled(folder, LEAF, "default")
    assert (count, found.neighbours) == (1, 0)


def test_a_folder_that_a_router_has_open_is_refused_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_outcomes(tmp_path / "o.jsonl", [LEAF])

    async def serve() -> int:
        history = await ChromaHistory.open(MemoryConfig(folder=str(tmp_path / "memory")), None)
        try:
            arguments = ["--outcomes", str(file), "--folder", str(tmp_path / "memory")]
            return await asyncio.to_thread(build_index.main, arguments)
        finally:
            await history.close()

    assert asyncio.run(serve()) == 1
    said = capsys.readouterr().err
    assert "another process has it open" in said
    assert "--live" in said


def test_the_memory_is_where_the_config_of_the_router_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, folder = tmp_path / "serve_config.yaml", tmp_path / "elsewhere"
    memory = {"folder": str(folder), "scope": "all"}
    config.write_text(yaml.safe_dump({"applications": [{"name": "router", "args": {"memory": memory}}]}))
    file = write_outcomes(tmp_path / "o.jsonl", [LEAF])
    assert build_index.main(["--outcomes", str(file), "--config", str(config)]) == 0
    assert f"1 memories in {folder}" in capsys.readouterr().out
    config.write_text("applications: []")
    assert build_index.main(["--outcomes", str(file), "--config", str(config)]) == 1
    assert "has no application router" in capsys.readouterr().err
