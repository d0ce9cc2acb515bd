"""The token of the Ray cluster, for its dashboard's REST API."""

import os
from pathlib import Path


def authorization() -> dict[str, str]:
    """The header. Ray's own places: a process that starts Ray chose its mode before the token was there."""
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if not token and path.is_file():
        token = path.read_text().strip()
    return {"Authorization": f"Bearer {token}"} if token else {}
