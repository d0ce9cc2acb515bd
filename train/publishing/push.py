"""Brings another user_config to the running cluster and waits until every replica has it; or puts the old one back."""

import time
from collections.abc import Mapping
from typing import Any

from app.errors import ConfigError, ReleaseConflict, RouterError
from app.storage.releases import Draft, Part
from train.errors import PublishError
from train.publishing.deployed import DEPLOYMENTS, Deployed, versions
from train.publishing.serve_api import ServeApi

LIVE_WITHIN_S = 120.0  # Serve reloads a fifth of the replicas at a time
LOOK_EVERY_S = 0.5
RUNNING = "RUNNING"
Replicas = Mapping[str, list[str]]


def found(api: ServeApi, part: Part) -> Draft:
    """What is live, as every replica of the part says. Raises ConfigError when the configuration says otherwise."""
    deployed = api.read()
    content = deployed.user_config(part)
    told = versions(api.metrics(deployed), part)
    running = {told[name][id_] for name in DEPLOYMENTS[part] for id_ in deployed.ids(name) if id_ in told[name]}
    if len(running) != 1:
        raise ConfigError(
            f"the replicas do not agree which {part} are live ({', '.join(sorted(running)) or 'none answers'}); wait "
            "until the cluster is at rest"
        )
    version = running.pop()
    if part is Part.WEIGHTS and content.get("version") != version:
        raise ConfigError(
            f"the deployed configuration holds {part} {content.get('version')}, which the replicas refused: {version} "
            "is live; deploy a serve_config.yaml that holds it"
        )
    return Draft(version, content)


def push(api: ServeApi, part: Part, draft: Draft, live: Draft, *, within_s: float = LIVE_WITHIN_S) -> Replicas:
    """The ids of the replicas that took `draft`, by deployment. `live` is what has to be there before.

    Raises PublishError when it did not become live: `live` is then back. Raises ReleaseConflict when somebody else
    changed the configuration.
    """
    before = api.read()
    if before.user_config(part) != live.content:
        raise ReleaseConflict(f"the {part} of the cluster were changed meanwhile; nothing was published, run it again")
    try:
        api.deploy(before.with_user_config(part, draft.content))
        return _wait(api, part, draft.version, within_s)
    except (RouterError, KeyboardInterrupt) as error:
        reason = error.message if isinstance(error, RouterError) else "interrupted"
        raise PublishError(f"{part} {draft.version} did not become live: {reason}\n{_back(api, part, live)}") from error


def _back(api: ServeApi, part: Part, live: Draft) -> str:
    """Only this part: somebody may have changed another one meanwhile."""
    try:
        api.deploy(api.read().with_user_config(part, live.content))
        _wait(api, part, live.version, LIVE_WITHIN_S)
    except RouterError as error:
        return f"version {live.version} could not be put back either: {error.message}"
    return f"version {live.version} is back"


def _wait(api: ServeApi, part: Part, version: str, within_s: float) -> Replicas:
    deadline = time.monotonic() + within_s
    while True:
        missing, deployed = _missing(api, part, version)
        if deployed and not missing:
            return {name: deployed.ids(name) for name in DEPLOYMENTS[part]}
        if time.monotonic() > deadline:
            raise PublishError(f"not every replica has it after {within_s:g} s: {'; '.join(missing)}")
        time.sleep(LOOK_EVERY_S)


def _missing(api: ServeApi, part: Part, version: str) -> tuple[list[str], Deployed | None]:
    """What is still in the way, and what is deployed, None where nobody answered."""
    try:
        deployed = api.read()
        told = versions(api.metrics(deployed), part)
    except ConfigError as error:
        return [error.message], None
    missing: list[str] = [] if deployed.status.startswith(RUNNING) else [f"{deployed.router} is {deployed.status}"]
    for name in DEPLOYMENTS[part]:
        replicas: Mapping[str, str] = deployed.replicas.get(name, {})
        if not replicas:
            missing.append(f"{name} has no replica")
        for replica, state in replicas.items():
            has: Any = told[name].get(replica, "nothing yet")
            if state != RUNNING or has != version:
                missing.append(f"replica {replica} of {name} is {state} and has {has}")
    return missing, deployed
