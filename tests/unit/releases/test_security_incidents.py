"""Security's own rules: what was really moved, overwritten or rewritten opens one incident that pages, by its rule."""

from sqlalchemy import update

from services.adapters.audit_table import AuditTable
from services.adapters.house_tables import Cursor, SourceTable
from services.adapters.ops_tables.house import audit
from services.alerts.defaults import SHIPPED
from services.alerts.evaluate import evaluate
from services.alerts.incident import Incident
from services.core.measurement import Measurement
from services.monitor.steps.audit import AuditStep
from services.monitor.steps.canary import measurements
from services.releases.plan import CANARY
from tests.releases_fixtures import FIRST, MODEL, SECOND, House


def opened(house: House, found: list[Measurement] | None = None) -> list[Incident]:
    """Return the incidents that the shipped rules open over what is measured of releases, or over `found`."""
    measured = found or measurements(house.store.newest(), house.store.places(), house.now)
    return [t.incident for t in evaluate(SHIPPED, measured, {}, [], now=house.now).transitions]


def about(incident: Incident) -> tuple[str, str, str]:
    return incident.members[0].rule, str(incident.severity), incident.runbook


def test_nothing_touched_opens_nothing(house: House) -> None:
    house.released("2")
    house.run(31)
    assert opened(house) == []


def test_an_alias_that_somebody_moved(house: House) -> None:
    house.released("2")
    house.registry.aliases[MODEL, "champion"] = "5"
    house.run(31)
    (incident,) = opened(house)
    assert about(incident) == ("alias_moved", "page", "moved-outside")
    assert "alias champion points to version 5, the champion is 2" in incident.title


def test_a_tag_that_somebody_changed(house: House) -> None:
    release = house.released("2")
    house.registry.set_tags(MODEL, "2", {"release.id": "r-9999"})
    house.run(31)
    (incident,) = opened(house)
    assert about(incident) == ("target_drift", "page", "moved-outside")
    assert f"tag release.id of version 2 is r-9999, we wrote {release.id}: somebody changed it" in incident.title


def test_an_artefact_that_was_overwritten_under_a_canary(house: House) -> None:
    house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.registry.overwrite(MODEL, "2", manifest={"model.pkl": "other"})
    house.run(31)
    found = {about(incident): incident for incident in opened(house)}
    assert found["artefact_changed", "page", "artefact-changed"].title == f"{MODEL}: v2: the artefact's files changed"


def test_an_audit_log_that_was_rewritten(house: House) -> None:
    house.released("2")
    with house.db.write() as connection:
        connection.execute(update(audit).where(audit.c.seq == 2).values(reason="another"))
    found: list[Measurement] = []
    AuditStep(chain=AuditTable(house.db), memory=Cursor(SourceTable(house.db), "audit-chain"),
              save=found.extend).run(now=house.now)
    (incident,) = opened(house, found)
    assert about(incident) == ("audit_chain", "page", "audit-break")
    assert "row 2 was changed after it was written" in incident.title
