"""Builds the two applications of serve_config.yaml from their `args`."""

import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from ray import serve
from ray.serve.deployment import Application

from app.errors import ConfigError
from app.yaml_file import validate
from deployments.args import LlamaArgs, RouterArgs

Args = TypeVar("Args", bound=BaseModel)
SMALL = {"num_cpus": 0.1}  # a share for the scheduler: two cores have to hold every deployment


def router(args: dict[str, Any]) -> Application:
    """Ingress -> DecisionEngine -> FeatureExtractor."""
    from deployments.decision_engine import DecisionEngine
    from deployments.feature_extractor import FeatureExtractor
    from deployments.ingress import Ingress

    checked = _checked("router", args, RouterArgs)
    extractor = serve.deployment(FeatureExtractor, ray_actor_options=SMALL, max_ongoing_requests=64).bind(checked)
    engine = serve.deployment(DecisionEngine, ray_actor_options=SMALL, max_ongoing_requests=64).bind(checked, extractor)
    return serve.deployment(Ingress, ray_actor_options=SMALL, max_ongoing_requests=1000).bind(checked, engine)


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
