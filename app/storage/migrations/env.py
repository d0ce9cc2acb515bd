"""Run by Alembic, from app/storage/migrate.py, on the connection and in the transaction that are given."""

from alembic import context

if (connection := context.config.attributes.get("connection")) is not None:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
