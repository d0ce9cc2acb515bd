"""python -m deployments.rayjob NAME: starts a run of a RayJob that is kept suspended as a template.

A CronJob of kuberay/components/training runs it, by the account of its pod.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from app.errors import ConfigError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = 20.0
Json = dict[str, Any]


class ApiServer:
    """Kubernetes' API, as a pod finds it. Every method raises ConfigError saying what was refused."""

    def __init__(self, url: str, account: Path = ACCOUNT) -> None:
        self._url = url
        try:
            self._token = (account / "token").read_text().strip()
            self._namespace = (account / "namespace").read_text().strip()
        except OSError as error:
            raise ConfigError(
                f"{account}: {error.strerror}; this runs in a pod whose account's token is mounted "
                "(automountServiceAccountToken)"
            ) from error
        authority = account / "ca.crt"
        self._context = ssl.create_default_context(cafile=authority) if authority.is_file() else None

    def get(self, name: str) -> Json:
        return self._ask("GET", f"/{name}", None)

    def create(self, rayjob: Json) -> Json:
        return self._ask("POST", "", rayjob)

    def _ask(self, method: str, path: str, body: Json | None) -> Json:
        url = f"{self._url}/apis/ray.io/v1/namespaces/{self._namespace}/rayjobs{path}"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._context) as response:
                found: Json = json.load(response)
        except urllib.error.HTTPError as error:
            words = error.read().decode("utf-8", "replace").strip()[:500]
            raise ConfigError(f"{method} {url}: refused ({error.code}): {words}") from error
        except (OSError, ValueError, HTTPException) as error:
            raise ConfigError(f"{method} {url}: the API server does not answer ({error})") from error
        return found


def run_of(template: Json) -> Json:
    """Raises ConfigError for a job that is no template: a copy of it would run beside it."""
    metadata, spec = template["metadata"], template["spec"]
    if not spec.get("suspend"):
        raise ConfigError(
            f"RayJob {metadata['name']} is not suspended, so it is no template; apply it with suspend: true"
        )
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "labels": {"app": "llm-router", "template": metadata["name"]},
        },
        "spec": {key: value for key, value in spec.items() if key not in ("suspend", "jobId")},
    }


def main(name: str) -> int:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
    try:
        if host is None:
            raise ConfigError("KUBERNETES_SERVICE_HOST is not set: this runs in a pod")
        server = ApiServer(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")
        started = server.create(run_of(server.get(name)))
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return 1
    print(f"started RayJob {started['metadata']['name']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
