"""An API key: whose it is, and what it may. Its secret is with its holder alone."""

import re
import secrets
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256

from app.domain import Tier

PREFIX = "lr-"
TOKEN = re.compile(r"lr-([0-9a-f]{12})-[0-9a-f]{64}")
TENANT = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`digest` is of the whole token. `last_used_on` is a day in UTC: more would be a write for each request."""

    id: str
    digest: str = field(repr=False)
    name: str | None
    tenant: str
    tier: Tier
    admin: bool
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_on: date | None = None

    def ended(self, now: datetime) -> str | None:
        """Why it is no longer good; None while it is."""
        if self.revoked_at is not None:
            return f"was revoked on {self.revoked_at:%Y-%m-%d}"
        if self.expires_at is not None and self.expires_at <= now:
            return f"expired on {self.expires_at:%Y-%m-%d}"
        return None


def make_token() -> tuple[str, str]:
    """A new key's id and its token, `lr-<id>-<secret>`; the secret has 256 random bits."""
    id_ = secrets.token_hex(6)
    return id_, f"{PREFIX}{id_}-{secrets.token_hex(32)}"


def digest(token: str) -> str:
    """SHA-256 in hex. Nobody guesses 256 random bits, so a slow hash, as passwords need, would only cost time."""
    return sha256(token.encode()).hexdigest()
