"""The launcher refuses before it starts anything."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from app import settings
from deployments.launch import find_dashboard, main, replica_ports
from tests.deployments.test_config import BROKEN, shipped, write


@contextmanager
def variables(**given: str) -> Iterator[None]:
    """The environment is read once: before and after, it is forgotten."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        settings.environment.cache_clear()
        yield
    settings.environment.cache_clear()


@pytest.mark.parametrize("name", list(BROKEN)[:10])
def test_a_broken_configuration_ends_with_status_1_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, expected = BROKEN[name]
    config = shipped()
    change(config)
    assert main(write(tmp_path, config)) == 1
    assert expected in capsys.readouterr().err


def test_a_port_in_use_is_told_before_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = shipped()
        config["http_options"]["port"] = taken.getsockname()[1]
        path = tmp_path / "serve_config.yaml"
        path.write_text(yaml.safe_dump(config))
        assert main(path) == 1
    assert "is in use; stop what listens there, or set PORT" in capsys.readouterr().err


def test_a_wrong_variable_is_told_before_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with variables(REQUEST_TIMEOUT="soon"):
        assert main(write(tmp_path, shipped())) == 1
    assert "environment variable REQUEST_TIMEOUT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"HOST": "0.0.0.0"}, "HOST 0.0.0.0: in development nobody is asked for an API key"),
        ({"APP_ENV": "production", "DATABASE_URL": "sqlite:///x.db"}, "TRUSTED_HOSTS is not set; write"),
    ],
)
def test_what_would_be_open_to_all_is_not_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: dict[str, str], words: str
) -> None:
    with variables(**given):
        assert main(write(tmp_path, shipped())) == 1
    assert words in capsys.readouterr().err


def test_routers_of_one_machine_share_no_port_of_their_replicas() -> None:
    blocks = sorted(tuple(map(int, replica_ports(port).values())) for port in range(8000, 8100))
    assert blocks[0][0] >= 20_000  # Ray's own ports are below, the system's above
    assert blocks[-1][-1] < 32_768
    assert all(len(set(block)) == 3 for block in blocks)
    assert all(max(block) < min(after) for block, after in pairwise(blocks))


def test_the_dashboard_is_found_in_rays_colourful_line() -> None:
    line = "Started a local Ray instance. View the dashboard at \x1b[1m\x1b[32mhttp://127.0.0.1:8266 \x1b[39m\x1b[22m"
    assert find_dashboard(line) == "http://127.0.0.1:8266"
    assert find_dashboard("Submitted deploy config successfully.") is None
