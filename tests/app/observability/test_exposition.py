"""The text that Prometheus reads: correct for its own parser and for promtool, whatever the labels hold."""

import pickle
import subprocess

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from app.observability.exposition import render, snapshot
from tests.app.observability.promtool import promtool
from tests.app.observability.test_metrics import everything


def parsed(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_sample_of_every_replica_is_there_with_its_origin() -> None:
    registry = everything().registry
    text = render([snapshot(registry, "Ingress", "0"), snapshot(registry, "Ingress", "1")])
    expected = {
        (sample.name, frozenset({**sample.labels, "deployment": "Ingress", "replica": replica}.items())): sample.value
        for replica in ("0", "1")
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }
    assert parsed(text) == expected


def test_a_family_stands_together_under_one_head() -> None:
    registry = everything().registry
    lines = render([snapshot(registry, "A", "0"), snapshot(registry, "B", "0")]).decode().splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    current = ""
    for line in lines:
        current = line.split()[2] if line.startswith("#") else current
        if not line.startswith("#"):
            assert line.startswith(current.removesuffix("_total"))


def test_labels_and_help_are_escaped() -> None:
    registry = CollectorRegistry()
    odd = 'back\\slash "quote"\nnew line, {brace}= é'
    Counter("odd", 'help with \\ and\nnew line and "quote"', ["label"], registry=registry).labels(odd).inc(2.5)
    text = render([snapshot(registry, "D", odd)])
    labels = frozenset({"label": odd, "deployment": "D", "replica": odd}.items())
    assert parsed(text) == {("odd_total", labels): 2.5}
    assert b'# HELP odd_total help with \\\\ and\\nnew line and "quote"\n# TYPE odd_total counter\n' in text


def test_special_values() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("g", "g", ["v"], registry=registry)
    for value in ("NaN", "+Inf", "-Inf", "1e+21", "0.1"):
        gauge.labels(value).set(float(value))
    lines = render([snapshot(registry, "D", "0")]).decode().splitlines()
    assert {line.split('"')[1]: line.split()[-1] for line in lines if line[0] != "#"} == {
        value: value for value in ("NaN", "+Inf", "-Inf", "1e+21", "0.1")
    }


def test_nothing_renders_to_nothing() -> None:
    assert render([]) == b""
    assert render([snapshot(CollectorRegistry(), "D", "0")]) == b""


def test_a_snapshot_is_plain_and_stays_as_it_was() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("h", "h", registry=registry, buckets=(1, 2))
    histogram.observe(1.5)
    before = snapshot(registry, "D", "0")
    text = render([before])
    histogram.observe(1.5)
    assert render([pickle.loads(pickle.dumps(before))]) == text


def test_promtool_finds_no_fault() -> None:
    text = render([snapshot(everything().registry, "Ingress", "0")])
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
