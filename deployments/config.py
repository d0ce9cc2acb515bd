"""Checks a whole serve_config.yaml before anything is started: `python -m deployments.config serve_config.yaml`.

Serve itself accepts unknown keys, and tells of a broken application only in its logs.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from app.domain import Provider
from app.errors import ConfigError
from app.models.catalogue import Catalogue
from app.paths import project_path
from app.routing.rules import RuleBook
from app.routing.weights import Policy
from app.settings import read_settings
from app.yaml_file import validate
from deployments.args import LlamaArgs, RouterArgs

ROUTER, LLAMA = "deployments.graph:router", "deployments.graph:llama"
ARGS: dict[str, type[BaseModel]] = {ROUTER: RouterArgs, LLAMA: LlamaArgs}
DEPLOYMENTS = {
    ROUTER: ("Ingress", "DecisionEngine", "FeatureExtractor"),
    LLAMA: ("Llama",),
}
WITH_POLICY = ("Ingress", "DecisionEngine")


def check(path: Path) -> dict[str, Any]:
    """The file's content. Raises ConfigError, a line for each fault: the file, the key and what is allowed."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: must be a mapping; allowed keys: {', '.join(sorted(ServeDeploySchema.model_fields))}"
        )
    faults = [*_unknown_keys(content, ServeDeploySchema, str(path), "")]
    if not faults:
        validate(content, ServeDeploySchema, str(path))
        faults = [fault for application in content["applications"] for fault in _application_faults(path, application)]
        faults += _local_model_faults(path, content) if not faults else []
    if faults:
        raise ConfigError("\n".join(faults))
    read_settings()
    return content


def _local_model_faults(path: Path, content: dict[str, Any]) -> Iterator[str]:
    """Local models of the catalogue have to be what the application `llama` serves."""
    args = {application["import_path"]: application.get("args") or {} for application in content["applications"]}
    if ROUTER not in args or LLAMA not in args:
        return
    llama = LlamaArgs.model_validate(args[LLAMA])
    catalogue = Catalogue.read(project_path(RouterArgs.model_validate(args[ROUTER]).catalogue))
    served = [llama.model_id, *(adapter.name for adapter in llama.lora_adapters)]
    for spec in catalogue.models.values():
        if spec.provider is Provider.LOCAL and spec.upstream_name not in served:
            yield (
                f"{path}: local model {spec.id}: its upstream_name is neither model_id nor a LoRA adapter of the "
                f"application llama; served there: {', '.join(served)}"
            )


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
    place = f"{path}: applications[{application['name']}]"
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
        for name in WITH_POLICY:
            if "user_config" not in deployments.get(name, {}):
                yield f"{place}.deployments[{name}].user_config: missing; it holds the routing policy"


def _deployment_faults(place: str, name: str, deployment: dict[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    if name not in known:
        yield f"{place}: unknown deployment; this application has {', '.join(known)}"
    autoscaling = deployment.get("autoscaling_config")
    try:
        if isinstance(autoscaling, dict):
            validate(autoscaling, AutoscalingConfig, f"{place}.autoscaling_config")
        if name in WITH_POLICY and "user_config" in deployment:
            Policy.read(deployment["user_config"], f"{place}.user_config")
    except ConfigError as error:
        yield error.message


def _check_files(args: RouterArgs) -> None:
    catalogue = Catalogue.read(project_path(args.catalogue))
    RuleBook.read(project_path(args.rules), catalogue)


if __name__ == "__main__":
    try:
        check(Path(sys.argv[1]))
    except ConfigError as error:
        sys.exit(error.message)
    print(f"{sys.argv[1]} is valid")
