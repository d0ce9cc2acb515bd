"""Decisions, outcomes and what they are grouped by, answers, feedback."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

from app.storage.tables import UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_decision()
    _create_outcome()
    op.create_table(
        "answer",
        *_key(),
        sa.Column("answer_text", sa.Text),
        sa.Column("answer_hash", sa.String),
        sa.PrimaryKeyConstraint("tenant", "request_id"),
    )
    _create_feedback()


def _create_decision() -> None:
    op.create_table(
        "decision",
        *_key(),
        _required("created_at", UtcTime()),
        *(_required(name, sa.String()) for name in ("user_id", "tier", "endpoint", "model_requested", "domain")),
        sa.Column("language", sa.String),
        sa.Column("complexity", sa.Float),
        _required("features", sa.JSON()),
        _required("cause", sa.String()),
        sa.Column("rule", sa.String),
        _required("confidence", sa.Float()),
        *(_required(name, sa.JSON()) for name in ("candidates", "rejected", "skipped")),
        _required("propensity", sa.Float()),
        _required("weights_version", sa.String()),
        sa.Column("classifier_version", sa.String),
        sa.Column("query_text", sa.Text),
        sa.Column("query_hash", sa.String),
        sa.PrimaryKeyConstraint("tenant", "request_id"),
    )
    op.create_index("decision_by_user", "decision", ["tenant", "user_id"])
    op.create_index("decision_by_age", "decision", ["created_at"])


def _create_outcome() -> None:
    op.create_table(
        "outcome",
        *_key(),
        _required("created_at", UtcTime()),
        *(_required(name, sa.String()) for name in ("tier", "domain")),
        *(sa.Column(name, sa.String) for name in ("model", "error", "cache")),
        *(_required(name, sa.Integer()) for name in ("input_tokens", "output_tokens", "cached_input_tokens")),
        sa.Column("cost_usd", sa.Float),
        *(_required(name, sa.Float()) for name in ("latency_ms", "overhead_ms")),
        *(sa.Column(name, sa.Float) for name in ("first_token_ms", "cache_similarity")),
        _required("endpoint", sa.String()),
        *(_required(name, sa.JSON()) for name in ("fallbacks", "stages_ms")),
        _required("finished_at", UtcTime()),
        _required("kind", sa.BigInteger()),
        _required("latency_bucket", sa.SmallInteger()),
        sa.PrimaryKeyConstraint("tenant", "request_id"),
    )
    op.create_index("outcome_by_age", "outcome", ["created_at"])
    op.create_table(
        "outcome_kind",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("model", sa.String),
        *(_required(name, sa.String()) for name in ("tier", "domain")),
        *(sa.Column(name, sa.String) for name in ("error", "cache")),
        _required("cost_known", sa.Boolean()),
    )


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        *_key(),
        sa.Column("rating", sa.SmallInteger, nullable=False),
        sa.Column("comment", sa.Text),
        *(_required(name, UtcTime()) for name in ("created_at", "requested_at")),
        sa.Column("kind", sa.BigInteger),
        sa.PrimaryKeyConstraint("tenant", "request_id"),
    )
    op.create_index("feedback_by_age", "feedback", ["requested_at"])


def _key() -> tuple[SchemaItem, ...]:
    return _required("tenant", sa.String()), _required("request_id", sa.String())


def _required(name: str, type_: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=False)
