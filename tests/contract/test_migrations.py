"""The schema that the revisions build is the schema that the tables declare."""

import importlib
import pkgutil

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, select, text

from services.adapters import ops_tables
from services.adapters.ops_db import OpsDb, _alembic
from services.adapters.run_mirror import RunMirror
from services.errors import StoreOutdated
from services.training.run import Value
from tests.training_fixtures import a_raw

for module in pkgutil.iter_modules(ops_tables.__path__):
    importlib.import_module(f"{ops_tables.__name__}.{module.name}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_db(request, tmp_path):
    """A store in which nothing was set up yet."""
    url = f"sqlite:///{tmp_path}/empty.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    db = OpsDb(url)
    yield db
    db.engine.dispose()


def test_revisions_and_tables_agree(any_db):
    with any_db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, ops_tables.METADATA) == []


def test_partial_indexes_are_there(any_db):
    found = {i["name"]: i for i in inspect(any_db.engine).get_indexes("incidents")}
    assert found["uq_incidents_open"]["unique"]


def test_migrating_twice_changes_nothing(any_db):
    before = any_db.version()
    any_db.migrate()
    assert any_db.version() == before


def filler(column):
    """Return a value that fits a column's kind."""
    kind = column.type.python_type
    return {int: 7, float: 7.5, bool: True, bytes: b"7", str: "7"}[kind]


def rows_of(db):
    found = MetaData()
    with db.engine.connect() as connection:
        found.reflect(connection)
        return {t.name: [dict(row) for row in connection.execute(select(t)).mappings()] for t in found.sorted_tables
                if t.name != "alembic_version"}


def test_rows_of_every_earlier_schema_are_there_after_migrating(db, empty_db):
    script = ScriptDirectory.from_config(_alembic(empty_db))
    revisions = [r.revision for r in reversed(list(script.walk_revisions()))]
    assert len(revisions) >= 12
    written = {}
    for revision in revisions:
        empty_db.migrate(revision)
        assert empty_db.version() == revision
        found = MetaData()
        with empty_db.engine.begin() as connection:
            found.reflect(connection)
            for table in found.sorted_tables:
                if table.name == "alembic_version" or connection.execute(select(table).limit(1)).first():
                    continue
                row = {c.name: filler(c) for c in table.columns}
                connection.execute(table.insert().values(**row))
                written[table.name] = row
    empty_db.require_current()
    now = rows_of(empty_db)
    assert set(now) == set(rows_of(db))
    for name, row in written.items():
        there = [{key: one[key] for key in row if key in one} for one in now[name]]
        assert {key: value for key, value in row.items() if key in now[name][0]} in there, name


def test_a_store_of_a_newer_program_is_left_alone(empty_db):
    empty_db.migrate()
    with empty_db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreOutdated, match="newer version"):
        empty_db.migrate()
    with pytest.raises(StoreOutdated, match="has schema 9999"):
        empty_db.require_current()


def test_a_store_of_an_older_revision_is_brought_up(tmp_path):
    db = OpsDb(f"sqlite:///{tmp_path}/new.db")
    assert db.version() is None
    db.migrate()
    db.require_current()


def test_what_runs_said_is_kept_when_it_becomes_one_text(tmp_path, now):
    old, new = OpsDb(f"sqlite:///{tmp_path}/old.db"), OpsDb(f"sqlite:///{tmp_path}/new.db")
    command.upgrade(_alembic(old), "0013")
    new.migrate()
    metrics = (("loss", 0.5, 9_000, 3), ("bad", float("nan"), 9_000, 3))
    RunMirror(new).mirror([a_raw("r1", start=now, params={"lr": "0.1"}, metrics=metrics)], now=now)
    with new.engine.connect() as source, old.engine.begin() as target:
        row = source.execute(text("SELECT * FROM runs")).mappings().one()
        marks = ", ".join(f":{column}" for column in row)
        target.execute(text(f"INSERT INTO runs ({', '.join(row)}) VALUES ({marks})"), dict(row))
        for kind, key, said, number, step, at in (
                ("param", "lr", "0.1", 0.1, None, None), ("metric", "loss", None, 0.5, 3, 9_000_000),
                ("metric", "bad", "nan", None, 3, 9_000_000), ("tag", "ops.pipeline", "churn", None, None, None)):
            target.execute(text("INSERT INTO run_values VALUES ('r1', :kind, :key, :said, :number, :step, :at)"), {
                "kind": kind, "key": key, "said": said, "number": number, "step": step, "at": at})
    old.migrate()
    assert RunMirror(old).values("r1") == RunMirror(new).values("r1")
    assert Value(kind="param", key="lr", text="0.1", number=0.1) in RunMirror(old).values("r1")
