"""python -m deployments.kuberay: writes the manifests' generated files from the files that say these things once.

serve_config.yaml with kuberay/serve.yaml laid over it becomes serveConfigV2 of each overlay; alert rules, dashboard and
nginx.conf come from configs/. kustomize reads no file outside its own folder, so they are copies, and a test compares.
"""

import argparse
import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from app.errors import ConfigError
from app.paths import project_path
from app.yaml_file import load_yaml
from deployments.dashboard import NO_ANSWER, applications

OVERLAYS = ("cpu", "gpu")
EVERYWHERE = "all"
COPIES = {
    "configs/nginx.conf": "kuberay/base/nginx.conf",
    "configs/grafana/dashboard.json": "kuberay/components/monitoring/dashboard.json",
}
ALERTS, RULES = "configs/alerts.yml", "kuberay/components/monitoring/rules.yaml"
SERVE, PUBLISHED = "kuberay/serve.yaml", "kuberay/published.yaml"
NOTE = "# Written by `python -m deployments.kuberay` from {}: edit those, not this file.\n"
LIVE_NOTE = (
    "# What was live when `python -m deployments.kuberay --published` was run last. It goes before serve.yaml.\n"
)
TIMEOUT_S = 10.0
Json = dict[str, Any]


class _Plain(yaml.SafeDumper):
    """Without anchors: what is said twice is written twice. Strings of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Plain.add_representer(str, _text)


def serve_config(overlay: str) -> Json:
    """What KubeRay deploys in `overlay`. Raises ConfigError for a file that names what is not there."""
    config, changes = _mapping("serve_config.yaml"), _mapping(SERVE)
    layers = [(SERVE, changes[EVERYWHERE]), (SERVE, changes[overlay])]
    if project_path(PUBLISHED).is_file():
        layers.append((PUBLISHED, _mapping(PUBLISHED)))
    for file, layer in layers:
        config = laid_over(config, layer, file)
    return config


def laid_over(below: Json, above: Json, where: str) -> Json:
    """`above` wins, mapping by mapping. Of a list of named things, it is a mapping by these names."""
    merged = copy.deepcopy(below)
    for key, value in above.items():
        place = f"{where}: {key}"
        if isinstance(value, dict) and isinstance(merged.get(key), list):
            merged[key] = _named(merged[key], value, place)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = laid_over(merged[key], value, place)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _named(items: list[Json], above: Json, where: str) -> list[Json]:
    names = [item["name"] for item in items]
    if unknown := sorted(above.keys() - set(names)):
        raise ConfigError(f"{where}: {unknown[0]} is not in serve_config.yaml; it has {', '.join(names)}")
    return [laid_over(item, above.get(item["name"], {}), f"{where}.{item['name']}") for item in items]


def files() -> dict[str, str]:
    """What each generated file has to hold, by its path in the project."""
    rules: Json = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "llm-router", "labels": {"release": "kube-prometheus-stack"}},  # as in monitors.yaml
        "spec": _mapping(ALERTS),
    }
    written = {RULES: NOTE.format(ALERTS) + _dumped(rules)}
    for overlay in OVERLAYS:
        patch: Json = {
            "apiVersion": "ray.io/v1",
            "kind": "RayService",
            "metadata": {"name": "llm-router"},
            "spec": {"serveConfigV2": _dumped(serve_config(overlay))},
        }
        written[f"kuberay/overlays/{overlay}/serve-config.yaml"] = NOTE.format(
            f"serve_config.yaml and {SERVE}"
        ) + _dumped(patch)
    copies = {copied: project_path(source) for source, copied in COPIES.items()}
    return written | {copied: source.read_text("utf-8") for copied, source in copies.items()}


def published(dashboard: str) -> Json:
    """The user_config that each deployment has now, in the form of kuberay/serve.yaml. Raises ConfigError."""
    try:
        live = applications(dashboard, TIMEOUT_S)
    except NO_ANSWER as error:
        raise ConfigError(
            f"{dashboard}: no Ray dashboard answers there ({error}); forward its port and set RAY_AUTH_TOKEN, see "
            "kuberay/README.md"
        ) from error
    found: Json = {}
    for name, application in live.items():
        deployments = (application.get("deployed_app_config") or {}).get("deployments") or []
        given = {one["name"]: {"user_config": one["user_config"]} for one in deployments if one.get("user_config")}
        if given:
            found[name] = {"deployments": given}
    return {"applications": found}


def _mapping(path: str) -> Json:
    content = load_yaml(project_path(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a mapping")
    return content


def _dumped(content: Json) -> str:
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 with --check when a file is not as it would be written."""
    parser = argparse.ArgumentParser(prog="python -m deployments.kuberay", description=(__doc__ or "").split(": ")[1])
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that are not up to date")
    parser.add_argument(
        "--published", metavar="URL", help=f"first take what is live there into {PUBLISHED}: a Ray dashboard's address"
    )
    options = parser.parse_args(arguments)
    try:
        if options.published:
            project_path(PUBLISHED).write_text(LIVE_NOTE + _dumped(published(options.published)), "utf-8")
        stale = {path: text for path, text in files().items() if _content(project_path(path)) != text}
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return 1
    for path, text in stale.items():
        print(f"{path}: {'not up to date' if options.check else 'written'}")
        if not options.check:
            project_path(path).write_text(text, "utf-8")
    return 1 if options.check and stale else 0


def _content(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
