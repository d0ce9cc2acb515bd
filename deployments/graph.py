"""Builds the two applications of serve_config.yaml from their `args`."""

import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from ray import serve
from ray.serve.deployment import Application

from app.errors import ConfigError
from app.models.catalogue import Catalogue
from app.paths import project_path
from app.yaml_file import validate
from deployments.args import LlamaArgs, RouterArgs
from deployments.replicas import CPU_SHARE, HEALTH_CHECK_PERIOD_S

Args = TypeVar("Args", bound=BaseModel)


def router(args: dict[str, Any]) -> Application:
    """Ingress -> DecisionEngine -> FeatureExtractor, Classifier, Retriever. The MetricsKeeper asks all of them."""
    from deployments.classifier import Classifier
    from deployments.decision_engine import DecisionEngine
    from deployments.feature_extractor import FeatureExtractor
    from deployments.ingress import Ingress
    from deployments.metrics import MetricsKeeper
    from deployments.retriever import Retriever

    checked = _checked("router", args, RouterArgs)
    catalogue = Catalogue.read(project_path(checked.catalogue))  # once: all replicas have to know the same models
    cpus = {"num_cpus": CPU_SHARE}
    small = serve.deployment(ray_actor_options=cpus, health_check_period_s=HEALTH_CHECK_PERIOD_S)
    extractor = small(FeatureExtractor).bind(checked)
    classifier = small(Classifier).bind(checked)
    retriever = small(Retriever).bind(checked)
    engine = small(DecisionEngine).bind(catalogue, extractor, classifier, retriever)
    keeper = small(MetricsKeeper).bind(["Ingress", "DecisionEngine", "FeatureExtractor", "Classifier", "Retriever"])
    return small(Ingress).bind(checked, catalogue, engine, retriever, keeper)


def llama(args: dict[str, Any]) -> Application:
    """The vLLM replica. The router finds it by the application's name."""
    from deployments.llama import build

    return build(_checked("llama", args, LlamaArgs))


def _checked(application: str, args: Mapping[str, Any], model: type[Args]) -> Args:
    """Serve tells the user nothing of a builder that failed, so the reason goes to stderr, which Ray forwards."""
    try:
        return validate(dict(args), model, f"serve_config.yaml: applications.{application}.args")
    except ConfigError as error:
        print(error.message, file=sys.stderr, flush=True)
        raise
