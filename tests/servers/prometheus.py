"""A real Prometheus with the shipped configs/prometheus.yml and configs/alerts.yml."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.paths import project_path
from tests.servers.process import check_alive, free_port, running, wait_until

START_S = 30.0
CONFIG, ALERTS = project_path("configs/prometheus.yml"), project_path("configs/alerts.yml")
INTERVAL = "1s"  # instead of 15 s: tests have no time
WINDOW, RANGE = "30s", "5m"  # what Grafana would make of its variables


@dataclass(frozen=True)
class Prometheus:
    http: httpx.Client
    key: Path

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that it gives now; Grafana's variables are filled in. Raises HTTPError if it does not parse."""
        filled = expression.replace("$__rate_interval", WINDOW).replace("$__range", RANGE)
        response = self.http.get("/api/v1/query", params={"query": filled}).raise_for_status()
        series: list[dict[str, Any]] = response.json()["data"]["result"]
        return series

    def firing(self) -> dict[str, dict[str, Any]]:
        """Alerts by name."""
        alerts = self.http.get("/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert for alert in alerts if alert["state"] == "firing"}


def prometheus() -> str:
    """The path of Prometheus. Skips the test without it."""
    found = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    if found is None:
        pytest.skip("prometheus is not installed: apt-get install prometheus, or set PROMETHEUS to its path")
    return found


@contextmanager
def running_prometheus(folder: Path, target: str, key: str, *, at_once: str) -> Iterator[Prometheus]:
    """Scrapes `target` with `key`, which may be changed in its file. The alert `at_once` fires without its `for`."""
    file, port, log = folder / "key", free_port(), folder / "prometheus.log"
    file.write_text(key)
    (folder / CONFIG.name).write_text(yaml.safe_dump(_config(file, target)))
    (folder / ALERTS.name).write_text(yaml.safe_dump(_alerts(at_once)))
    where = [f"--config.file={folder / CONFIG.name}", f"--storage.tsdb.path={folder / 'data'}"]
    command = [prometheus(), *where, f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with running(command, log, {}) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:

        def ready() -> bool:
            check_alive(process, log)
            try:
                return http.get("/-/ready").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(ready, START_S, "Prometheus")
        yield Prometheus(http, file)


def _config(key: Path, target: str) -> Mapping[str, Any]:
    """The router alone: Ray's own metrics are another job."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["global"] = dict.fromkeys(config["global"], INTERVAL)
    job = next(job for job in config["scrape_configs"] if job["job_name"] == "llm-router")
    job["scrape_timeout"] = INTERVAL
    job["authorization"]["credentials_file"] = str(key)
    job["static_configs"] = [{"targets": [target]}]
    return {**config, "scrape_configs": [job]}


def _alerts(at_once: str) -> Mapping[str, Any]:
    alerts: dict[str, Any] = yaml.safe_load(ALERTS.read_text())
    (rule,) = [rule for group in alerts["groups"] for rule in group["rules"] if rule["alert"] == at_once]
    rule["for"] = "0s"
    return alerts
