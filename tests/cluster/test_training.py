"""Training on the Ray cluster that serves, within the CPU that is left, while requests go on; then served."""

import os
import subprocess
from pathlib import Path

import pytest

from app.classifier.artifact import read_manifest
from tests.cluster.conftest import with_artifact
from tests.cluster.test_reload import asking
from tests.cluster.test_serve import route
from tests.servers.process import wait_until
from tests.servers.router import Cluster
from tests.train.conftest import command, write_outcomes

pytestmark = pytest.mark.cluster
CPUS = 0.2  # two cores hold a Llama and a router already


def test_a_classifier_is_trained_beside_the_router_and_put_into_service(cluster: Cluster, tmp_path: Path) -> None:
    data = write_outcomes(tmp_path / "outcomes.jsonl", rows=120)
    output = tmp_path / "trained"
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with asking(cluster) as decisions:
        run = subprocess.run(
            command("--data", data, "--output", output, "--min-outcomes", 20, "--cpus-per-worker", CPUS),
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        version = read_manifest(output).version
        cluster.deploy(with_artifact(cluster.config, output))
        wait_until(lambda: decisions[-1]["classifier_version"] == version, 30, "the reload")
    assert len(decisions) > 100
    assert route(cluster)["classifier"]["success"] == {}  # this catalogue has none of the models that were learnt
    cluster.deploy(cluster.config)
    wait_until(lambda: route(cluster)["classifier_version"] == "c1", 30, "the way back")
