import shutil
from pathlib import Path

import pytest

from app.paths import project_path
from tests.kuberay.render import Json, kustomize, render
from tests.kuberay.schemas import CRDS

INCREMENTAL = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../overlays/gpu]
components: [../components/incremental-upgrade]
"""


@pytest.fixture(scope="session")
def command() -> list[str]:
    found = kustomize()
    if found is None:
        pytest.skip("neither kubectl nor kustomize is installed, which render the manifests")
    return found


@pytest.fixture(scope="session")
def crds() -> None:
    if not all(path.is_file() for path in CRDS):
        pytest.skip(f"KubeRay's CRDs are not in {CRDS[0].parent}; KUBERAY_CRDS names their folder")


@pytest.fixture(scope="session")
def rendered(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Json]]:
    """Both overlays, and the GPU one with the component that no overlay takes."""
    copied = tmp_path_factory.mktemp("manifests") / "kuberay"
    shutil.copytree(project_path("kuberay"), copied)
    (copied / "incremental").mkdir()
    (copied / "incremental/kustomization.yaml").write_text(INCREMENTAL)
    folders = {
        "cpu": Path("kuberay/overlays/cpu"),
        "gpu": Path("kuberay/overlays/gpu"),
        "incremental": copied / "incremental",
    }
    return {name: render(command, folder) for name, folder in folders.items()}
