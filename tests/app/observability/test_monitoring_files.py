"""configs/: Prometheus takes every file, each alert is tested, and no query asks for what the router does not show."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from app.errors import RouterError
from app.observability.collected import Collected
from app.observability.events import CLIENT_LEFT
from app.observability.exposition import Snapshot, snapshot
from app.observability.upstream_metrics import UpstreamMetrics
from app.paths import project_path
from tests.app.observability.promtool import promtool
from tests.app.observability.test_metrics import everything
from tests.fakes.safeguards import safeguards

RULES, RULE_TESTS = project_path("configs/alerts.yml"), project_path("configs/alerts_test.yml")
DASHBOARD, README = project_path("configs/grafana/dashboard.json"), project_path("README.md")


def complaints(*arguments: str | Path) -> str:
    """What promtool says when it is not content."""
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def queries() -> list[str]:
    """Of the dashboard, with Grafana's own variables filled in."""
    written = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [query.replace("$__rate_interval", "5m").replace("$__range", "6h") for query in written]


def shown() -> list[Snapshot]:
    """What /api/v1/metrics has when each metric was used."""
    metrics, guarded = everything(), safeguards(["a"])
    for counts in (guarded.budget.taken, guarded.budget.refused, guarded.concurrency.refused):
        counts["a"] += 1
    UpstreamMetrics(metrics.registry, guarded).show()
    collected = Collected()
    collected.update([snapshot(metrics.registry, "Ingress", "id")])
    return list(collected.snapshots())


def codes(kind: type[RouterError] = RouterError) -> Iterator[tuple[str, int]]:
    """Of every error: its code and its status."""
    yield kind.code, kind.status
    for child in kind.__subclasses__():
        yield from codes(child)


def test_prometheus_takes_its_configuration() -> None:
    file = project_path("configs/prometheus.yml")
    assert complaints("check", "config", "--syntax-only", file) == ""  # its key is on no test machine


def test_each_alert_fires_when_it_should() -> None:
    assert complaints("test", "rules", RULE_TESTS) == ""


def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    records = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    assert complaints("check", "rules", file) == ""


def test_promtool_would_refuse_a_query_that_does_not_parse(tmp_path: Path) -> None:
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "r", "expr": "sum(rate("}]}]}))
    assert "parse" in complaints("check", "rules", file)


def test_every_metric_that_is_asked_for_is_shown() -> None:
    names = {name for snap in shown() for family in snap.families for name, _ in family.samples}
    asked = set(re.findall(r"llm_router_\w+", " ".join([*queries(), *(rule["expr"] for rule in rules())])))
    assert asked - names == set()
    promised = {name for name in names if not name.endswith(("_bucket", "_sum", "_count"))}
    assert promised - asked == set(), "a metric that no panel and no alert shows"


def test_every_label_that_is_asked_for_is_shown() -> None:
    pairs = [labels for snap in shown() for family in snap.families for _, labels in family.samples]
    names = {name for labels in pairs for name in re.findall(r"(\w+)=", labels)} | {"deployment", "replica"}
    grouped = re.findall(r"by \(([\w, ]+)\)", " ".join([*queries(), *(rule["expr"] for rule in rules())]))
    assert {name for group in grouped for name in group.split(", ")} - names == set()


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        section = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
        assert rule["annotations"]["runbook"] == f"README.md#{section}"
        assert f'<a id="{section}"></a>{section} |' in README.read_text(), f"README.md has no row {section}"


def test_errors_of_callers_are_left_out_wherever_errors_are_a_rate() -> None:
    callers = {code for code, status in codes() if 400 <= status < 500 and status != 429} | {CLIENT_LEFT}
    patterns = re.findall(r'error_type!~"([^"]*)"', " ".join([*queries(), *(rule["expr"] for rule in rules())]))
    assert len(patterns) == 3
    for pattern in patterns:
        left_out = set(pattern.split("|"))
        assert callers - left_out == set()
        assert {code for code, status in codes() if status >= 500 or status == 429} & left_out == set()


def test_each_alert_is_seen_to_fire_and_not_to_fire() -> None:
    seen = [test for group in yaml.safe_load(RULE_TESTS.read_text())["tests"] for test in group["alert_rule_test"]]
    assert {test["alertname"] for test in seen if test["exp_alerts"]} == {rule["alert"] for rule in rules()}
    assert {test["alertname"] for test in seen if not test["exp_alerts"]} == {rule["alert"] for rule in rules()}


def test_the_dashboard_and_its_data_source_belong_together() -> None:
    (source,) = yaml.safe_load(project_path("configs/grafana/datasource.yml").read_text())["datasources"]
    (variable,) = json.loads(DASHBOARD.read_text())["templating"]["list"]  # Grafana elsewhere has a source of its own
    assert (variable["type"], variable["query"]) == ("datasource", source["type"])
    used = {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}
    assert used == {f"${{{variable['name']}}}"}
    ids = [panel["id"] for panel in json.loads(DASHBOARD.read_text())["panels"]]
    assert len(ids) == len(set(ids))
    (provider,) = yaml.safe_load(project_path("configs/grafana/dashboards.yml").read_text())["providers"]
    assert provider["type"] == "file"
