"""Run Alembic's revisions on the engine that OpsDb hands over; there is no alembic.ini."""

import importlib
import pkgutil

from alembic import context

from services.adapters import ops_tables

for module in pkgutil.iter_modules(ops_tables.__path__):
    importlib.import_module(f"{ops_tables.__name__}.{module.name}")

with context.config.attributes["engine"].begin() as connection:
    context.configure(connection=connection, target_metadata=ops_tables.METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
