"""What was published, when, and why: a row for each attempt."""

import sqlalchemy as sa
from alembic import op

from app.storage.tables import UtcTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "release",
        sa.Column("part", sa.String, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("version", "state")),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("content", "lineage")),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("settled_at", UtcTime()),
        sa.PrimaryKeyConstraint("part", "sequence"),
    )
