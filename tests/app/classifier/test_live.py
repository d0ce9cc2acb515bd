"""The live classifier: what it takes, what it refuses, and that the old one goes on."""

import json
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.artifacts.minilm import POOLED
from app.classifier.artifact import GRAPH, MANIFEST
from app.classifier.inputs import WINDOW, Reading, packed, stacked, unpacked
from app.classifier.live import LiveClassifier
from app.domain import Capability, Complexity, Domain, Embedding, Query, TextFeatures, Tier
from app.errors import ConfigError
from tests.fakes.artifact import make_artifact, sign

PLAIN = TextFeatures(10, 1, 0, 0, 1, 0, 0, "en", Domain.GENERAL, {Domain.GENERAL: 1.0}, 0.2)
SUCCESS = {"small": 0.2, "strong": 0.9}
WHERE = "serve_config.yaml: deployments.Classifier.user_config"


def pooled(lines: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.5, (lines, POOLED)).astype(np.float32)


def readings(count: int) -> list[Reading]:
    return [Reading(f"Is {i} a prime?", PLAIN, means) for i, means in enumerate(packed(pooled(count)))]


def rewrite(folder: Path, **fields: object) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | fields))


def cut_off(folder: Path) -> None:
    graph = folder / GRAPH
    graph.write_bytes(graph.read_bytes()[:-100])


def garbage(folder: Path) -> None:
    (folder / GRAPH).write_bytes(b"\x00" * 1000)
    sign(folder)


def not_a_number(folder: Path) -> None:
    shutil.rmtree(folder)
    make_artifact(folder, SUCCESS | {"broken": float("nan")})


def fixed_length(folder: Path) -> None:
    shutil.rmtree(folder)
    make_artifact(folder, SUCCESS, fixed_lines=2)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / MANIFEST).unlink(), "manifest.json: cannot be read"),
    "no graph": (lambda f: (f / GRAPH).unlink(), "heads.int8.onnx: cannot be read"),
    "manifest is no JSON": (lambda f: (f / MANIFEST).write_text("{"), "manifest.json: the file: Invalid JSON"),
    "manifest of another format": (lambda f: rewrite(f, format=1), "manifest.json: format"),
    "unknown field": (lambda f: rewrite(f, colour="red"), "manifest.json: colour"),
    "another encoder": (lambda f: rewrite(f, encoder="other"), "encoder is other, this router has all-MiniLM-L6-v2"),
    "other text inputs": (lambda f: rewrite(f, text_inputs=9), "text_inputs is 9, this router has 38"),
    "other domains": (lambda f: rewrite(f, domains=["coding", "math"]), "domains is coding, math"),
    "the graph is not signed": (lambda f: rewrite(f, sha256={}), "sha256 does not name heads.int8.onnx"),
    "a wrong hash": (cut_off, "heads.int8.onnx: its sha256 is not that of manifest.json"),
    "a graph that is garbage": (garbage, "heads.int8.onnx: is no graph that can be run"),
    "more models than columns": (lambda f: rewrite(f, models=["a", "b", "c"]), r"success has shape \(1, 2\)"),
    "figures that are no numbers": (not_a_number, "success has shape .* or values out of range"),
    "a graph for two queries only": (fixed_length, "does not take this router's inputs"),
}


@pytest.fixture
def live(tmp_path: Path) -> LiveClassifier:
    live = LiveClassifier()
    live.reload({"artifact": str(make_artifact(tmp_path / "first", SUCCESS, version="c1"))}, WHERE)
    return live


def test_a_whole_artefact_predicts_what_its_manifest_names(live: LiveClassifier) -> None:
    first, second = live.predict(readings(2))
    assert (first.version, first.domain) == ("c1", Domain.SCIENCE)
    assert set(first.levels) == set(Complexity)
    assert sum(first.levels.values()) == pytest.approx(1, abs=1e-5)
    assert sum(first.domains.values()) == pytest.approx(1, abs=1e-5)
    assert first.success == pytest.approx(SUCCESS, abs=0.2)
    assert first.support == pytest.approx(dict.fromkeys(SUCCESS, 0.8), abs=0.2)
    assert first.complexity == pytest.approx(0.4, abs=0.2)
    assert first.success != second.success


def test_a_batch_is_predicted_as_its_queries_alone(live: LiveClassifier) -> None:
    together = live.predict(readings(5))
    alone = [live.predict([reading])[0] for reading in readings(5)]
    assert [one.success for one in together] == [pytest.approx(one.success, abs=1e-6) for one in alone]
    assert live.predict([]) == []


def test_another_artefact_takes_over(live: LiveClassifier, tmp_path: Path) -> None:
    second = make_artifact(tmp_path / "second", {"other": 0.5}, version="c2")
    live.reload({"artifact": str(second)}, WHERE)
    (prediction,) = live.predict(readings(1))
    assert (live.version, prediction.version, set(prediction.success)) == ("c2", "c2", {"other"})


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_artefact_is_refused_and_the_old_one_goes_on(
    live: LiveClassifier, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    spoil, reason = BROKEN[name]
    folder = make_artifact(tmp_path / "second", SUCCESS, version="c2")
    spoil(folder)
    before = live.predict(readings(1))
    with pytest.raises(ConfigError, match=reason):
        LiveClassifier().reload({"artifact": str(folder)}, WHERE)
    with caplog.at_level(logging.ERROR):
        live.reload({"artifact": str(folder)}, WHERE)
    assert "classifier refused, version c1 goes on" in caplog.text
    assert live.predict(readings(1)) == before


@pytest.mark.parametrize(
    ("user_config", "reason"),
    [
        ({}, "artifact: Field required"),
        ({"artifact": ""}, "artifact: String should have at least 1 character"),
        ({"artefact": "x"}, "artefact: unknown key; allowed here: artifact"),
        ([], "should be a valid dictionary"),
        ({"artifact": "/nowhere"}, "/nowhere/manifest.json: cannot be read"),
    ],
)
def test_a_broken_user_config_is_refused_and_the_old_one_goes_on(
    live: LiveClassifier, user_config: object, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        LiveClassifier().reload(user_config, WHERE)
    live.reload(user_config, WHERE)
    assert live.version == "c1"


def test_without_an_artefact_it_says_what_is_missing() -> None:
    live = LiveClassifier()
    assert live.version is None
    with pytest.raises(ConfigError, match="no user_config"):
        live.predict(readings(1))


def test_reloads_under_load_never_mix_two_classifiers(live: LiveClassifier, tmp_path: Path) -> None:
    folders = [make_artifact(tmp_path / name, {name: 0.5}, version=name) for name in ("a", "b")]
    done, mixed, versions = threading.Event(), [], set()

    def ask() -> None:
        while not done.is_set():
            predictions = live.predict(readings(8))
            versions.update(one.version for one in predictions)
            if len({(one.version, *one.success) for one in predictions}) != 1:
                mixed.append(predictions)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(10):
        for folder in folders:
            live.reload({"artifact": str(folder)}, WHERE)
    done.set()
    asking.join()
    assert not mixed
    assert {"a", "b"} <= versions


def test_the_encoders_layers_survive_the_wire_in_half_precision() -> None:
    given = pooled(3)
    assert unpacked(packed(given)) == pytest.approx(given, abs=2e-3)
    assert unpacked([]).shape == (0, POOLED)
    with pytest.raises(ValueError, match="1152 figures of 2 bytes"):
        unpacked([*packed(given), b""])


def test_a_reading_holds_what_the_text_inputs_need_and_no_more() -> None:
    text = "Why is the sky blue? " * 1000
    query = Query("r", text, "u", Tier.FREE, "auto", 10, frozenset({Capability.CHAT}), PLAIN)
    reading = Reading.of(query, Embedding([1.0], {}, b"means"))
    assert (len(reading.text), reading.pooled) == (WINDOW, b"means")
    np.testing.assert_array_equal(stacked([reading.text], [PLAIN]), stacked([text], [PLAIN]))
    named = Query("r", text, "u", Tier.FREE, "small", 10, frozenset({Capability.CHAT}))
    with pytest.raises(ValueError, match="request r has no text features"):
        Reading.of(named, Embedding([1.0], {}))
