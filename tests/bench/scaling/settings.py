"""How each deployment scales, read from the files that say so for production and for a laptop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.serve.config import AutoscalingConfig

from app.paths import project_path
from app.yaml_file import load_yaml
from deployments.args import LlamaArgs
from deployments.kuberay import serve_config

INGRESS, ENGINE, EXTRACTOR, CLASSIFIER, RETRIEVER, LLAMA = (
    "Ingress",
    "DecisionEngine",
    "FeatureExtractor",
    "Classifier",
    "Retriever",
    "Llama",
)
ROUTER = (INGRESS, ENGINE, EXTRACTOR, CLASSIFIER, RETRIEVER)
NAMES = (*ROUTER, LLAMA)


@dataclass(frozen=True)
class Deployed:
    """`scaling` is None where the number of replicas is fixed; `cpus` are booked by each."""

    scaling: AutoscalingConfig | None
    replicas: int
    max_ongoing: int
    max_queued: int
    cpus: float

    @property
    def most(self) -> int:
        return self.scaling.max_replicas if self.scaling else self.replicas


Settings = Mapping[str, Deployed]


def laptop() -> Settings:
    return _read(load_yaml(project_path("serve_config.yaml")))


def production() -> Settings:
    return _read(serve_config("gpu"))


def changed(settings: Settings, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """With other values in the autoscaling_config of some deployments."""
    found = dict(settings)
    for name, values in changes.items():
        deployed = settings[name]
        before = deployed.scaling.model_dump(exclude_unset=True) if deployed.scaling else {}
        scaling = AutoscalingConfig(**{**before, **values})
        found[name] = Deployed(scaling, scaling.min_replicas, deployed.max_ongoing, deployed.max_queued, deployed.cpus)
    return found


def _read(config: Any) -> Settings:
    router, llama = config["applications"]
    given = {one["name"]: one for one in router["deployments"]}
    found = {name: _deployed(given[name]) for name in ROUTER}
    args = LlamaArgs.model_validate(llama["args"])
    scaling = AutoscalingConfig(
        min_replicas=args.min_replicas,
        max_replicas=args.max_replicas,
        target_ongoing_requests=args.target_ongoing_requests,
    )
    found[LLAMA] = Deployed(scaling, args.min_replicas, args.max_ongoing_requests, args.max_queued_requests, 1.0)
    return found


def _deployed(given: Mapping[str, Any]) -> Deployed:
    scaling = AutoscalingConfig(**given["autoscaling_config"]) if "autoscaling_config" in given else None
    return Deployed(
        scaling=scaling,
        replicas=scaling.min_replicas if scaling else given["num_replicas"],
        max_ongoing=given["max_ongoing_requests"],
        max_queued=given["max_queued_requests"],
        cpus=given.get("ray_actor_options", {}).get("num_cpus", 0.1),
    )
