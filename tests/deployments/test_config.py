"""Broken configurations are refused before anything starts, by file, key and what is allowed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.errors import ConfigError
from app.paths import project_path
from app.settings import Settings
from deployments.config import check

Change = Callable[[dict[str, Any]], object]


def shipped() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(project_path("serve_config.yaml").read_text())
    return config


def router(config: dict[str, Any]) -> dict[str, Any]:
    application: dict[str, Any] = config["applications"][0]
    return application


def llama(config: dict[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = config["applications"][1]["args"]
    return arguments


def ingress(config: dict[str, Any]) -> dict[str, Any]:
    deployment: dict[str, Any] = router(config)["deployments"][0]
    return deployment


def classifier(config: dict[str, Any]) -> dict[str, Any]:
    deployment: dict[str, Any] = next(one for one in router(config)["deployments"] if one["name"] == "Classifier")
    return deployment


def retriever(config: dict[str, Any]) -> dict[str, Any]:
    deployment: dict[str, Any] = next(one for one in router(config)["deployments"] if one["name"] == "Retriever")
    return deployment


BROKEN: dict[str, tuple[Change, str]] = {
    "unknown key at the top": (
        lambda c: c.update(aplications=[]),
        "aplications: unknown key; allowed here: applications",
    ),
    "unknown key of HTTP": (lambda c: c["http_options"].update(prot=1), "http_options.prot: unknown key"),
    "unknown key of a deployment": (lambda c: ingress(c).update(num_replica=2), "[Ingress].num_replica: unknown key"),
    "unknown deployment": (lambda c: ingress(c).update(name="Ingres"), "this application has Ingress, DecisionEngine"),
    "unknown application": (lambda c: router(c).update(import_path="deployments.graph:rooter"), "unknown application"),
    "unknown argument": (
        lambda c: router(c)["args"].update(catalog="x"),
        "args: catalog: unknown key; allowed here: breaker, cache, catalogue",
    ),
    "wrong type": (
        lambda c: router(c)["args"].update(max_body_mb="ten"),
        "max_body_mb: Input should be a valid number",
    ),
    "missing file": (lambda c: router(c)["args"].update(catalogue="configs/none.yaml"), "none.yaml: cannot be read"),
    "min above max": (
        lambda c: (
            ingress(c).update(autoscaling_config={"min_replicas": 3, "max_replicas": 1})
            or ingress(c).pop("num_replicas", None)
        ),
        "[Ingress].autoscaling_config",
    ),
    "min above max of llama": (lambda c: llama(c).update(min_replicas=2, max_replicas=1), "min_replicas (2)"),
    "wrong accelerator": (lambda c: llama(c).update(accelerator="tpu"), "'auto', 'gpu' or 'cpu'"),
    "share above 1": (lambda c: llama(c)["gpu"].update(gpu_memory_utilization=1.5), "gpu.gpu_memory_utilization"),
    "negative weight": (lambda c: ingress(c)["user_config"]["weights"]["free"].update(cost=-1), "weights.free.cost"),
    "missing tier": (lambda c: ingress(c)["user_config"]["weights"].pop("pro"), "weights are missing for pro"),
    "no policy": (lambda c: ingress(c).pop("user_config"), "[Ingress].user_config: missing"),
    "no classifier": (lambda c: router(c)["deployments"].remove(classifier(c)), "[Classifier].user_config: missing"),
    "no artifact": (lambda c: classifier(c).update(user_config=None), "[Classifier].user_config: missing"),
    "misspelt artifact": (
        lambda c: classifier(c).update(user_config={"artefact": "configs/classifier"}),
        "[Classifier].user_config: artefact: unknown key; allowed here: artifact",
    ),
    "artifact that is none": (
        lambda c: classifier(c)["user_config"].update(artifact="configs/grafana"),
        "configs/grafana/manifest.json: cannot be read",
    ),
    "several writers of a folder": (
        lambda c: retriever(c).update(num_replicas=2),
        "[Retriever]: more than one replica needs a Chroma server: set CHROMA_URL",
    ),
    "writers that may become several": (
        lambda c: (
            retriever(c).update(autoscaling_config={"min_replicas": 1, "max_replicas": 4})
            or retriever(c).pop("num_replicas")
        ),
        "[Retriever]: more than one replica needs a Chroma server",
    ),
    "memory scope": (lambda c: router(c)["args"]["memory"].update(scope="user"), "'tenant' or 'all'"),
    "no thread": (lambda c: router(c)["args"].update(classifier_threads=0), "args: classifier_threads"),
    "llama without model": (
        lambda c: llama(c).update(model_id="other"),
        "llama is not served by llama; it serves other",
    ),
    "no policy at all": (lambda c: ingress(c).update(user_config=None), "[Ingress].user_config: missing"),
    "two policies": (
        lambda c: router(c)["deployments"][1].update(user_config={**ingress(c)["user_config"], "version": "2"}),
        "user_config of Ingress and DecisionEngine differ",
    ),
    "no name and no import path": (lambda c: c["applications"].append({}), "import_path: Field required"),
    "llama by another name": (
        lambda c: router(c)["args"].update(llama_application="lama"),
        "lama is not the name of llama",
    ),
    "llama too short": (
        lambda c: llama(c)["cpu"].update(max_model_len_tokens=1024),
        "max_model_len_tokens of llama (1024)",
    ),
    "missing adapter": (
        lambda c: llama(c).update(lora_adapters=[{"name": "a", "path": "/none"}]),
        "/none has no adapter_config.json",
    ),
    "semantic scope": (lambda c: router(c)["args"]["cache"].update(semantic_scope="all"), "'user' or 'tenant'"),
    "missing text features": (
        lambda c: router(c)["args"].update(text_features="configs/none.yaml"),
        "none.yaml: cannot be read",
    ),
    "no applications": (lambda c: c.pop("applications"), "applications: Field required"),
}


def write(tmp_path: Path, config: dict[str, Any]) -> Path:
    path = tmp_path / "serve_config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_shipped_file_is_valid() -> None:
    assert check(project_path("serve_config.yaml")) == shipped()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(tmp_path: Path, name: str) -> None:
    change, expected = BROKEN[name]
    config = shipped()
    change(config)
    path = write(tmp_path, config)
    with pytest.raises(ConfigError) as error:
        check(path)
    assert expected in error.value.message
    assert str(path) in error.value.message or "configs/" in error.value.message


def test_a_chroma_server_takes_several_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.config.read_settings", lambda: Settings(chroma_url="http://chroma:8000"))
    config = shipped()
    retriever(config)["num_replicas"] = 4
    assert check(write(tmp_path, config)) == config


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    config = shipped()
    router(config)["args"]["catalog"] = "x"
    llama(config)["accelerator"] = "tpu"
    with pytest.raises(ConfigError) as error:
        check(write(tmp_path, config))
    assert len(error.value.message.splitlines()) == 2


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "serve_config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"serve_config\.yaml"):
        check(path)
