from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.router import FakeRouter, running_router


@pytest.fixture
async def router(tokenizer: Path) -> AsyncIterator[FakeRouter]:
    async with running_router(tokenizer) as fake:
        yield fake
