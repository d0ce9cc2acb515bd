from collections.abc import Iterator

import pytest

from tests.servers.vllm import running_vllm


@pytest.fixture(scope="session")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_vllm(tmp_path_factory.mktemp("vllm")) as url:
        yield url
