"""What people change in a schema, from the edit to the verdict of the next pass, on a real log and a real store."""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from services.adapters.audit_table import AuditTable
from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.signals import schemas
from services.adapters.schema_table import SchemaTable
from services.checks.edit import Edit
from services.checks.schema import ColumnSchema, Schema
from services.core.measurement import Verdict, Why
from services.core.window import HOUR
from services.errors import NotAllowed, Refused
from tests.conftest import NOW
from tests.flows.test_signals import AUTHOR, VIEWER
from tests.signals_fixtures import MODEL, SignalHouse, answers

PASS = timedelta(seconds=30)


class Edited(SignalHouse):
    """A house in which an author changes schemas."""

    turn = 0  # of the whole file: neither an operation nor a time comes twice

    def forget(self) -> None:
        """Take every revision away: the next pass proposes the first one again."""
        with self.services.db.write() as connection:
            connection.execute(delete(schemas))
        self.pass_by()

    def change(self, **edit: object) -> str:
        self.turn += 1
        return str(self.services.schemas.edit(
            MODEL, "1", Edit(**edit), actor=AUTHOR, reason="agreed", op_id=f"op-{self.turn}",  # type: ignore[arg-type]
            now=NOW)["changed"])

    def pass_by(self) -> None:
        self.turn += 1
        self.run(now=NOW + self.turn * PASS, only=("drift", "checks"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Edited:
    found = Edited(tmp_path_factory.mktemp("house"))
    for back in range(9, 0, -1):
        found.day(back, labelled=False)
    found.run()
    return found


@pytest.fixture
def house(shared: Edited) -> Edited:
    shared.forget()
    return shared


def test_ranges_categories_and_missing_shares_are_judged_as_they_were_changed(house: Edited):
    assert house.newest("out_of_range_rate", column="amount").verdict is Verdict.PASS
    assert house.change(column="amount", low=0.0).startswith("amount: range -")
    house.change(column="city", categories=("ams", "ber"))
    house.pass_by()
    low, gone = house.newest("out_of_range_rate", column="amount"), house.newest("unseen_rate", column="city")
    assert (low.verdict, gone.verdict) == (Verdict.FAIL, Verdict.FAIL), (low.reason, gone.reason)
    assert low.value == pytest.approx(0.5, abs=0.08)
    kept = house.services.samples.get(MODEL, "production", "unseen_rate", "city")
    assert [v["value"] for v in kept[0]["values"]] == ["cdg"]
    house.change(column="amount", low=-100.0, high=100.0)
    house.change(column="city", open=True)
    house.pass_by()
    for name, column in (("out_of_range_rate", "amount"), ("unseen_rate", "city")):
        assert house.newest(name, column=column).verdict is Verdict.PASS, house.newest(name, column=column).reason


def test_a_type_that_was_changed_is_what_the_values_are_held_to(house: Edited):
    house.change(column="city", kind="numeric")
    house.pass_by()
    wrong = house.newest("wrong_type_rate", column="city")
    assert (wrong.verdict, wrong.value) == (Verdict.FAIL, 1.0)
    assert house.newest("unseen_rate", column="city").verdict is Verdict.INCONCLUSIVE
    house.change(column="city", kind="categorical", categories=("ams", "ber", "cdg"))
    house.change(column="amount", kind="categorical", categories=("small", "large"))
    house.pass_by()
    assert house.newest("unseen_rate", column="city").verdict is Verdict.PASS
    assert house.newest("unseen_rate", column="amount").value == 1.0
    assert house.newest("out_of_range_rate", column="amount").verdict is Verdict.INCONCLUSIVE


def test_volume_and_freshness_are_held_to_what_the_schema_names(house: Edited):
    assert house.newest("volume").verdict is Verdict.PASS
    house.change(rows_least=100_000, fresh_s=60.0)
    house.pass_by()
    assert house.newest("volume").verdict is Verdict.FAIL
    fresh = house.newest("freshness")
    assert (fresh.verdict, fresh.why) == (Verdict.FAIL, Why.LATE), fresh.reason
    house.change(rows_least=0, fresh_s=7_200.0)
    house.pass_by()
    assert [house.newest(name).verdict for name in ("volume", "freshness")] == [Verdict.PASS, Verdict.PASS]


@pytest.fixture
def table(db: OpsDb) -> SchemaTable:
    found = SchemaTable(db, {MODEL: ["secret"]})
    found.propose(Schema(model=MODEL, version="1", revision=1, columns={
        name: ColumnSchema(name=name, kind="categorical", categories=("a", "b")) for name in ("city", "secret")}),
        now=NOW)
    return found


def test_an_edit_takes_the_role_is_made_once_and_names_itself_in_history_and_audit(table: SchemaTable, db: OpsDb):
    edit, how = Edit(column="city", enabled=False), {"reason": "noise", "now": NOW, "op_id": "once"}
    with pytest.raises(NotAllowed, match="to edit schema takes"):
        table.edit(MODEL, "1", edit, actor=VIEWER, **how)
    first, again = (table.edit(MODEL, "1", edit, actor=AUTHOR, seen=1, **how) for _ in range(2))
    assert (first["revision"], again["revision"], again["already"]) == (2, 2, True)
    with pytest.raises(Refused, match="is at revision 2 by now and revision 1 was shown"):
        table.edit(MODEL, "1", Edit(column="city", enabled=True), actor=AUTHOR, seen=1, **{**how, "op_id": "late"})
    assert [(h["revision"], h["by"], h["changed"]) for h in table.history(MODEL, "1")] == [
        (2, "demo:ada", "city: judged no more"), (1, "interlock:monitor", "proposed")]
    [entry] = [row for row in AuditTable(db).newest() if row.action == "edit schema"]
    assert entry.detail["changed"] == "city: judged no more"


def test_a_change_of_a_sensitive_column_is_told_without_its_values(table: SchemaTable, db: OpsDb):
    done = table.edit(MODEL, "1", Edit(column="secret", categories=("ada",)), actor=AUTHOR, reason="agreed",
                      op_id="once", now=NOW)
    assert done["changed"] == "secret: categories"
    assert "ada" not in str([h["changed"] for h in table.history(MODEL, "1")])
    assert "'ada'" not in str([row.detail for row in AuditTable(db).newest()])


def test_repeated_requests_are_sampled_with_their_answers(house: Edited):
    n = 60
    house.log(answers(house.rng, NOW - 3 * HOUR, n, HOUR, request_id=["twice"] * 2 + ["often"] * (n - 2)))
    house.run(now=NOW + house.turn * PASS)
    assert house.newest("duplicate_keys").verdict is Verdict.FAIL
    [kept] = house.services.samples.get(MODEL, "production", "duplicate_keys", "")
    assert kept["values"] == [{"value": "often", "rows": 58}, {"value": "twice", "rows": 2}]
    assert [row["request_id"] for row in kept["rows"]] == ["often"] * 3 + ["twice"] * 2
    assert set(kept["rows"][0]) == {"request_id", "ts", "version", "variant", "prediction"}
