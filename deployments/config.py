"""Checks a whole serve_config.yaml before anything is started: `python -m deployments.config serve_config.yaml`.

Serve itself accepts unknown keys, and tells of a broken application only in its logs.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from app.classifier.artifact import ClassifierConfig, read_manifest
from app.domain import Provider
from app.errors import ConfigError
from app.memory.prototypes import read_examples
from app.models.catalogue import Catalogue
from app.paths import project_path
from app.routing.features import TextFeaturesConfig
from app.routing.rules import RuleBook
from app.routing.weights import Policy
from app.settings import check_production, read_settings
from app.yaml_file import load_yaml, read_yaml, validate
from deployments.args import LlamaArgs, RouterArgs

ROUTER, LLAMA = "deployments.graph:router", "deployments.graph:llama"
ARGS: dict[str, type[BaseModel]] = {ROUTER: RouterArgs, LLAMA: LlamaArgs}
DEPLOYMENTS = {
    ROUTER: ("Ingress", "DecisionEngine", "FeatureExtractor", "Classifier", "Retriever", "MetricsKeeper"),
    LLAMA: ("Llama",),
}
WITH_POLICY = ("Ingress", "DecisionEngine")
CLASSIFIER, RETRIEVER = "Classifier", "Retriever"


def check(path: Path) -> dict[str, Any]:
    """The file's content. Raises ConfigError, a line for each fault: the file, the key and what is allowed."""
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: must be a mapping; allowed keys: {', '.join(sorted(ServeDeploySchema.model_fields))}"
        )
    faults = [*_unknown_keys(content, ServeDeploySchema, str(path), "")]
    if not faults:
        validate(content, ServeDeploySchema, str(path))
        faults = [fault for application in content["applications"] for fault in _application_faults(path, application)]
        faults += _llama_faults(path, content) if not faults else []
    if faults:
        raise ConfigError("\n".join(faults))
    check_production(read_settings())
    return content


def _llama_faults(path: Path, content: dict[str, Any]) -> Iterator[str]:
    """What the router and the application `llama` have to agree on."""
    applications = {application["import_path"]: application for application in content["applications"]}
    if ROUTER not in applications:
        return
    router = RouterArgs.model_validate(applications[ROUTER].get("args") or {})
    if router.llama_application is None or LLAMA not in applications:
        return
    name = applications[LLAMA].get("name", "default")
    if router.llama_application != name:
        yield f"{path}: router.args.llama_application: {router.llama_application} is not the name of llama ({name})"
    llama = LlamaArgs.model_validate(applications[LLAMA].get("args") or {})
    served = [llama.model_id, *(adapter.name for adapter in llama.lora_adapters)]
    longest = llama.max_model_len_tokens
    for spec in Catalogue.read(project_path(router.catalogue)).models.values():
        where = f"{path}: local model {spec.id}"
        if spec.provider is Provider.LOCAL and spec.upstream_name not in served:
            yield f"{where}: {spec.upstream_name} is not served by llama; it serves {', '.join(served)}"
        if spec.provider is Provider.LOCAL and spec.context_window_tokens > longest:
            yield f"{where}: context_window_tokens is above max_model_len_tokens of llama ({longest})"
    for adapter in llama.lora_adapters:
        if not (project_path(adapter.path) / "adapter_config.json").is_file():
            yield f"{path}: llama.args.lora_adapters: {adapter.path} has no adapter_config.json"


def _unknown_keys(content: object, model: type[BaseModel], file: str, place: str) -> Iterator[str]:
    """Follows the schema down; where it leaves the shape open (args, user_config) it stops."""
    if isinstance(content, list):
        for i, item in enumerate(content):
            name = item.get("name", i) if isinstance(item, dict) else i
            yield from _unknown_keys(item, model, file, f"{place.rstrip('.')}[{name}].")
        return
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        field = model.model_fields.get(str(key))
        if field is None:
            allowed = ", ".join(sorted(model.model_fields))
            yield f"{file}: {place}{key}: unknown key; allowed here: {allowed}"
        elif inner := _model_in(field.annotation):
            yield from _unknown_keys(value, inner, file, f"{place}{key}.")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _application_faults(path: Path, application: dict[str, Any]) -> Iterator[str]:
    place = f"{path}: applications[{application.get('name', 'default')}]"
    import_path = application["import_path"]
    if import_path not in ARGS:
        yield f"{place}.import_path: unknown application {import_path}; allowed: {', '.join(ARGS)}"
        return
    try:
        args = validate(application.get("args") or {}, ARGS[import_path], f"{place}.args")
        if isinstance(args, RouterArgs):
            _check_files(args)
    except ConfigError as error:
        yield error.message
    deployments = {deployment["name"]: deployment for deployment in application.get("deployments") or []}
    for name, deployment in deployments.items():
        yield from _deployment_faults(f"{place}.deployments[{name}]", name, deployment, DEPLOYMENTS[import_path])
    if ARGS[import_path] is RouterArgs:
        policies = [deployments.get(name, {}).get("user_config") for name in WITH_POLICY]
        for name, policy in zip(WITH_POLICY, policies, strict=True):
            if policy is None:
                yield f"{place}.deployments[{name}].user_config: missing; it holds the routing policy"
        if deployments.get(CLASSIFIER, {}).get("user_config") is None:
            yield f"{place}.deployments[{CLASSIFIER}].user_config: missing; it names the classifier's artifact"
        if None not in policies and policies[0] != policies[1]:
            yield f"{place}.deployments: user_config of {' and '.join(WITH_POLICY)} differ; give both the same policy"


def _deployment_faults(place: str, name: str, deployment: dict[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    if name not in known:
        yield f"{place}: unknown deployment; this application has {', '.join(known)}"
    autoscaling = deployment.get("autoscaling_config")
    try:
        if isinstance(autoscaling, dict):
            validate(autoscaling, AutoscalingConfig, f"{place}.autoscaling_config")
        if name in WITH_POLICY and deployment.get("user_config") is not None:
            Policy.read(deployment["user_config"], f"{place}.user_config")
        if name == CLASSIFIER and deployment.get("user_config") is not None:
            read_manifest(ClassifierConfig.read(deployment["user_config"], f"{place}.user_config").folder)
    except ConfigError as error:
        yield error.message
    if name == RETRIEVER:
        yield from _writer_faults(place, deployment)


def _writer_faults(place: str, deployment: dict[str, Any]) -> Iterator[str]:
    """Chroma on disk has one writer. Serve's "auto" means autoscaling."""
    autoscaling = deployment.get("autoscaling_config")
    several = deployment.get("num_replicas") not in (None, 1)
    several |= isinstance(autoscaling, dict) and autoscaling.get("max_replicas", 1) != 1
    if several and read_settings().chroma_url is None:
        yield f"{place}: more than one replica needs a Chroma server: set CHROMA_URL, or num_replicas to 1"


def _check_files(args: RouterArgs) -> None:
    catalogue = Catalogue.read(project_path(args.catalogue))
    RuleBook.read(project_path(args.rules), catalogue)
    read_yaml(project_path(args.text_features), TextFeaturesConfig)
    read_examples(project_path(args.domain_prototypes))


if __name__ == "__main__":
    try:
        check(Path(sys.argv[1]))
    except ConfigError as error:
        sys.exit(error.message)
    print(f"{sys.argv[1]} is valid")
