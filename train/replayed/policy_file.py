"""Policies from files: serve_config.yaml, or a policy alone as tuning writes it."""

from pathlib import Path
from typing import Any

from app.routing.weights import Policy
from app.yaml_file import load_yaml
from train.errors import DataError

DEPLOYMENT = "Ingress"


def read_policy(path: Path) -> tuple[Policy, dict[str, Any]]:
    """The policy, and the same as `user_config`. Raises ConfigError naming the file and the key."""
    content = load_yaml(path)  # which JSON is too
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds no policy; give serve_config.yaml, or a weights.json that tuning wrote")
    if "applications" not in content:
        return Policy.read(content, str(path)), content
    for application in content["applications"] or []:
        for deployment in application.get("deployments") or []:
            if deployment.get("name") == DEPLOYMENT and isinstance(given := deployment.get("user_config"), dict):
                return Policy.read(given, f"{path}: {DEPLOYMENT}.user_config"), given
    raise DataError(f"{path}: no deployment {DEPLOYMENT} has a user_config; it holds the policy")
