"""What is to be published, checked as the router would check it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.classifier.artifact import MANIFEST, ClassifierConfig, read_manifest
from app.digest import sha256
from app.errors import ConfigError
from app.routing.weights import Policy
from app.storage.releases import Draft, Part
from train.replayed.policy_file import read_policy


def of_weights(path: Path) -> Draft:
    """A policy from weights.json or serve_config.yaml. Raises ConfigError naming the key at fault."""
    policy, content = read_policy(path)
    return Draft(policy.version, content, {"candidate": {path.name: sha256(path)}})


def of_artifact(folder: Path) -> Draft:
    """A classifier's folder, by its absolute path: every replica has to see it there. Raises ConfigError."""
    folder = folder.resolve()
    manifest = read_manifest(folder)
    return Draft(manifest.version, {"artifact": str(folder)}, {"candidate": {MANIFEST: sha256(folder / MANIFEST)}})


def check_content(part: Part, content: Mapping[str, Any], where: str) -> None:
    """Raises ConfigError when the router would refuse it."""
    if part is Part.WEIGHTS:
        Policy.read(content, where)
    else:
        read_manifest(ClassifierConfig.read(content, where).folder)


def check_new(part: Part, draft: Draft, live: Draft) -> None:
    """Raises ConfigError when nobody could tell the two apart."""
    if part is Part.CLASSIFIER:
        new, old = (ClassifierConfig.read(one.content, part).folder.resolve() for one in (draft, live))
        if new == old:
            raise ConfigError(f"{new} is the folder that is live; a classifier is published from another one")
    if draft.version == live.version:
        same = "nothing to publish" if draft.content == live.content else "give what differs from it another version"
        raise ConfigError(f"{part} {draft.version} is the version that is live: {same}")
