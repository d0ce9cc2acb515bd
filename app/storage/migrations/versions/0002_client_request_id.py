"""The caller's own id beside ours. Older requests have one id, which may be the caller's: they are found by it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    given = sa.text("client_request_id IS NOT NULL")
    op.add_column("decision", sa.Column("client_request_id", sa.String))
    op.create_index(
        "decision_by_client_request",
        "decision",
        ["tenant", "client_request_id", "created_at"],
        sqlite_where=given,
        postgresql_where=given,
    )
