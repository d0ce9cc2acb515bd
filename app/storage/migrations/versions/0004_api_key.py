"""API keys: whose each is and what it may; of its secret only a hash."""

import sqlalchemy as sa
from alembic import op

from app.storage.tables import UtcTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "api_key",
        *(sa.Column(name, sa.String, nullable=False) for name in ("id", "digest")),
        sa.Column("name", sa.String),
        *(sa.Column(name, sa.String, nullable=False) for name in ("tenant", "tier")),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        *(sa.Column(name, UtcTime()) for name in ("expires_at", "revoked_at")),
        sa.Column("last_used_on", sa.Date),
        sa.PrimaryKeyConstraint("id"),
    )
