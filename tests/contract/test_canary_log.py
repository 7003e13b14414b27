"""A canary's traffic counted from a real Parquet log, judged, and carried out without a person."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from services.adapters.canary_log import CanaryLog
from services.adapters.look_table import LookTable
from services.adapters.measurement_table import MeasurementTable
from services.adapters.ops_db import OpsDb
from services.adapters.parquet_writer import append
from services.adapters.prediction_log import ParquetLog
from services.adapters.served_table import ServedTable
from services.adapters.signal_log import label_files
from services.core.measurement import Verdict
from services.monitor.decisions import Decisions
from services.monitor.steps.canary import CanaryStep
from services.predictions.ledger import LogFile
from services.releases.canary import Metric, Span
from services.releases.judge import judge
from services.releases.plan import AUTOMATIC, SHADOW
from services.releases.release import Release, State
from services.settings import Settings
from services.settings.sections import Model
from tests.releases_fixtures import FIRST, MODEL, NOON, SECOND, House

SETTINGS = Model(task="binary", log="log", labels="labels", features=["distance", "passenger"],
                 sensitive=["passenger"], slices=["origin"])


class Traffic:
    """Requests of a champion and a candidate, logged as the gateway logs them, and their labels."""

    def __init__(self, root: Path, seed: int = 0, settings: Model = SETTINGS) -> None:
        self.root, self.labels = root / "log", root / "labels"
        self.draw = np.random.default_rng(seed)
        self.log = CanaryLog(settings, root=self.root, files=self.files, label_root=self.labels,
                             label_files=self.label_files)

    def files(self) -> dict[str, LogFile]:
        log = ParquetLog(MODEL, self.root, SETTINGS)
        return {file.path: file for file in log.inspect(log.changes({}))}

    def label_files(self) -> dict[str, LogFile]:
        if not self.labels.exists():
            return {}
        model = SETTINGS.model_copy(update={"log": str(self.root), "labels": str(self.labels)})
        log = label_files(Settings.model_validate({"folder": str(self.root), "models": {MODEL: model.model_dump()}}),
                          MODEL)
        return {file.path: file for file in log.inspect(log.changes({}))}

    def send(
        self, n: int, *, start: datetime, share: float = 0.1, errors: tuple[float, float] = (0.01, 0.01),
        slower: float = 1.0, shadow: bool = False, answers: tuple[float, float] = (0.3, 0.3),
    ) -> datetime:
        """Log `n` requests, twenty a second; return the time of the next."""
        if shadow:
            return self.mirror(n, start=start, errors=errors)
        at = [start + timedelta(seconds=i / 20) for i in range(n)]
        ours = self.draw.random(n) < share
        bad = self.draw.random(n) < np.where(ours, errors[1], errors[0])
        ms = self.draw.gamma(4, 10, n) * np.where(ours, slower, 1.0)
        score = self.draw.beta(2, 2 / np.where(ours, *answers[::-1]), n)
        self._append(at, ours, score, bad, ms, name="canary")
        return at[-1] + timedelta(seconds=0.05)

    def mirror(
        self, n: int, *, start: datetime, errors: tuple[float, float] = (0, 0), differ: float = 0.02,
        differ_at_jfk: float | None = None,
    ) -> datetime:
        """Log `n` requests that champion and shadow both answered; a share of the answers differs in class."""
        at = [start + timedelta(seconds=i / 20) for i in range(n)]
        jfk = np.arange(n) % 4 == 0
        score = self.draw.random(n)
        odds = np.where(jfk, differ if differ_at_jfk is None else differ_at_jfk, differ)
        other = np.where(self.draw.random(n) < odds, 1 - score, score)
        for ours, answer, rate in ((False, score, errors[0]), (True, other, errors[1])):
            self._append(at, np.full(n, ours), answer, self.draw.random(n) < rate, self.draw.gamma(4, 10, n),
                         name="shadow", jfk=jfk)
        return at[-1] + timedelta(seconds=0.05)

    def label(self, *, at: datetime, good: float = 0.9, ours: float | None = None) -> int:
        """Label everything logged so far: the champion is right in a share `good`, the candidate in `ours`."""
        rows = duckdb.sql("SELECT DISTINCT ON (request_id) request_id, variant, score FROM "
                          f"read_parquet('{self.root}/*/*.parquet') ORDER BY request_id, variant").fetchall()
        right = self.draw.random(len(rows)) < np.array([
            good if variant == "champion" or ours is None else ours for _, variant, _ in rows])
        truth = [float((score >= 0.5) == fine) for (_, _, score), fine in zip(rows, right, strict=True)]
        append(self.labels, pa.table({
            "request_id": [row[0] for row in rows], "label": truth,
            "label_ts": pa.array([at] * len(rows), pa.timestamp("us", tz="UTC")),
        }), time_column="label_ts", sync=False)
        return len(rows)

    def visit(self, entities: Sequence[int], ours: Sequence[bool], *, start: datetime) -> datetime:
        """Log one request of each entity named, twenty a second; return the time of the next."""
        n = len(entities)
        at = [start + timedelta(seconds=i / 20) for i in range(n)]
        self._append(at, np.array(ours), self.draw.random(n), np.zeros(n, bool), self.draw.gamma(4, 10, n),
                     name="canary", entity=[f"entity {e}" for e in entities])
        return at[-1] + timedelta(seconds=0.05)

    def _append(self, at, ours, score, bad, ms, *, name: str, jfk=None, entity=None) -> None:
        n = len(at)
        append(self.root, pa.table({
            "entity_id": entity or [""] * n,
            "request_id": [f"{at[0]:%H%M%S}-{i}" for i in range(n)],
            "ts": pa.array(at, pa.timestamp("us", tz="UTC")), "model": [MODEL] * n,
            "model_version": ["2" if o else "1" for o in ours],
            "variant": [name if o else "champion" for o in ours],
            "environment": ["production"] * n, "latency_ms": ms, "status": np.where(bad, "error", "ok").tolist(),
            "prediction": (score >= 0.5).astype(float), "score": score, "distance": self.draw.random(n),
            "origin": ["JFK" if jfk is not None and jfk[i] else "EWR" for i in range(n)],
            "passenger": [f"person {i}" for i in range(n)],
        }), time_column="ts", sync=False)


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    return Traffic(tmp_path)


def look(traffic: Traffic, spans: Sequence[Span], now: datetime, *, needs_labels: bool = False, **more):
    counted = traffic.log.count(spans, environment="production", champion="1", candidate="2", limit_ms=None, now=now,
                                **more)
    ruling, looks = judge(counted, needs_labels=needs_labels)
    return counted, ruling, {found.metric: found for found in looks}


def shadowed(traffic: Traffic, now: datetime, **more):
    return look(traffic, [Span(start=NOON, end=None, weight_pct=50)], now, shadow=True, **more)


def test_blocks_pair_each_canary_request_with_nine_of_the_champion_in_order(traffic: Traffic) -> None:
    begin = traffic.send(2000, start=NOON - timedelta(minutes=10), share=0)
    end = traffic.send(3000, start=max(begin, NOON))
    counted, ruling, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)

    span = counted.spans[0]
    assert span.n_champion + span.n_candidate == 3000
    assert {block.n for block in counted.blocks} == {9}
    assert abs(len(counted.blocks) - span.n_candidate) < 60
    assert looks[Metric.SAMPLE_RATIO].verdict is Verdict.PASS
    assert looks[Metric.PREDICTIONS].verdict is Verdict.PASS
    assert str(ruling.advice) in {"advance", "inconclusive"}


def test_a_candidate_that_fails_more_is_rolled_back(traffic: Traffic) -> None:
    end = traffic.send(2000, start=NOON, errors=(0.01, 0.10))
    _, ruling, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)
    assert ruling.advice == "roll back"
    assert looks[Metric.ERRORS].verdict is Verdict.FAIL
    assert "worse" in ruling.reason


def test_a_candidate_that_answers_more_slowly_is_rolled_back_by_the_champions_frozen_p95(traffic: Traffic) -> None:
    before = traffic.send(2000, start=NOON - timedelta(minutes=5), share=0)
    end = traffic.send(2500, start=max(before, NOON), slower=2)
    counted, ruling, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)
    assert counted.limit_ms == pytest.approx(77, abs=6)
    assert looks[Metric.LATENCY].verdict is Verdict.FAIL
    assert ruling.advice == "roll back"


def test_traffic_that_does_not_arrive_as_asked_is_never_blamed_on_the_model(traffic: Traffic) -> None:
    end = traffic.send(2000, start=NOON, share=0.3, errors=(0.01, 0.2))
    _, ruling, _ = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)
    assert ruling.advice == "sample ratio"


def test_a_share_is_that_of_the_entities_for_a_busy_one_is_one_draw_however_often_it_asks(traffic: Traffic) -> None:
    # 1,000 entities, a tenth of them the candidate's; the champion's ask three times as often.
    entities = [*range(100)] * 2 + [*range(100, 1000)] * 6
    end = traffic.visit(entities, [e < 100 for e in entities], start=NOON)
    _, _, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)
    found = looks[Metric.SAMPLE_RATIO]
    assert found.verdict is Verdict.PASS
    assert found.reason == "the candidate got 10.0% of 1,000 new entities (5,600 requests), wanted 10%"


def test_a_split_of_requests_is_no_wrong_share_because_entities_come_back(traffic: Traffic) -> None:
    entities = [*range(300)] * 20  # nearly every entity reaches both in the end
    end = traffic.visit(entities, traffic.draw.random(len(entities)) < 0.1, start=NOON)
    counted, _, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)
    assert looks[Metric.SAMPLE_RATIO].verdict is Verdict.PASS
    assert counted.spans[0].first_champion + counted.spans[0].first_candidate == 300


def test_after_a_step_only_entities_that_were_not_drawn_before_count_for_its_share(traffic: Traffic) -> None:
    end = traffic.visit(range(1000), [e < 100 for e in range(1000)], start=NOON)
    later = [*range(1000), *range(1000, 1400)]
    done = traffic.visit(later, [e < 100 or 1000 <= e < 1200 for e in later], start=end)
    spans = [Span(start=NOON, end=end, weight_pct=10), Span(start=end, end=None, weight_pct=50)]
    counted, _, looks = look(traffic, spans, done)
    assert [(s.first_champion, s.first_candidate) for s in counted.spans] == [(900, 100), (200, 200)]
    assert [(s.n_champion, s.n_candidate) for s in counted.spans] == [(900, 100), (1100, 300)]
    assert looks[Metric.SAMPLE_RATIO].verdict is Verdict.PASS


def test_a_candidate_that_predicts_otherwise_asks_for_a_person(traffic: Traffic) -> None:
    before = traffic.send(1000, start=NOON - timedelta(minutes=5), share=0)
    end = traffic.send(6000, start=max(before, NOON), answers=(0.3, 3.0), errors=(0, 0))
    _, ruling, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)
    assert looks[Metric.PREDICTIONS].verdict is Verdict.WARN
    assert ruling.advice == "inconclusive"
    assert "a person must look" in ruling.reason


def test_no_traffic_is_inconclusive_never_a_pass(traffic: Traffic) -> None:
    _, ruling, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], NOON + timedelta(hours=1))
    assert ruling.advice == "inconclusive"
    assert {found.verdict for found in looks.values()} == {Verdict.INCONCLUSIVE}


def test_a_damaged_file_is_left_out_and_the_rest_still_counts(traffic: Traffic) -> None:
    end = traffic.send(500, start=NOON)
    (traffic.root / f"date={NOON:%Y-%m-%d}" / "part-bad.parquet").write_bytes(b"PAR1 no")
    counted, _, _ = look(traffic, [Span(start=NOON, end=None, weight_pct=10)], end)
    assert counted.spans[0].n_champion + counted.spans[0].n_candidate == 500


def test_a_shadow_is_compared_on_identical_inputs_with_its_worst_segment_and_examples(traffic: Traffic) -> None:
    end = traffic.mirror(800, start=NOON, differ=0.01, differ_at_jfk=0.6)
    counted, ruling, looks = shadowed(traffic, end)
    assert counted.pairs is not None
    assert counted.pairs.n == 800
    worst = counted.pairs.worst[0]
    assert (worst.column, worst.value, worst.n) == ("origin", "JFK", 200)
    assert worst.share > 0.45
    found = looks[Metric.PAIRS]
    assert found.verdict is Verdict.WARN
    assert "most where origin is JFK" in found.reason
    assert ruling.advice == "inconclusive"
    assert "a person must look" in ruling.reason
    example = found.detail["examples"][0]
    assert {"request", "champion", "shadow", "origin", "distance"} == set(example)  # nothing of a sensitive column
    assert abs(example["champion"] - example["shadow"]) > 0.5


def test_a_shadow_that_agrees_passes_and_too_few_pairs_do_not(traffic: Traffic) -> None:
    end = traffic.mirror(30, start=NOON, differ=0)
    _, ruling, looks = shadowed(traffic, end)
    assert looks[Metric.PAIRS].verdict is Verdict.INCONCLUSIVE
    assert ruling.advice == "inconclusive"
    end = traffic.mirror(600, start=end, differ=0.01)
    assert shadowed(traffic, end)[2][Metric.PAIRS].verdict is Verdict.PASS


def test_late_labels_that_show_worse_answers_roll_a_canary_back(traffic: Traffic) -> None:
    end = traffic.send(3000, start=NOON, share=0.5, errors=(0, 0), answers=(2, 2))
    traffic.label(at=end + timedelta(minutes=1), good=0.9, ours=0.4)
    _, ruling, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=50)], end + timedelta(minutes=2))
    found = looks[Metric.QUALITY]
    assert found.verdict is Verdict.FAIL
    assert ruling.advice == "roll back"
    assert "quality:" in ruling.reason
    assert found.detail["labelled"] == found.detail["asked"] > 1000


def test_labels_as_good_as_the_champions_pass_the_margin(traffic: Traffic) -> None:
    end = traffic.send(6000, start=NOON, share=0.5, errors=(0, 0), answers=(2, 2))
    traffic.label(at=end + timedelta(minutes=1))
    _, _, looks = look(traffic, [Span(start=NOON, end=None, weight_pct=50)], end + timedelta(minutes=2))
    assert looks[Metric.QUALITY].verdict is Verdict.PASS
    assert looks[Metric.QUALITY].value < looks[Metric.QUALITY].threshold == 0.05


def test_a_label_that_has_not_come_is_not_counted_and_is_waited_for_only_where_the_plan_says(traffic: Traffic) -> None:
    traffic.send(1000, start=NOON - timedelta(minutes=5), share=0)
    end = traffic.send(4000, start=NOON, share=0.5, errors=(0, 0))
    traffic.label(at=end + timedelta(hours=12))
    spans = [Span(start=NOON, end=None, weight_pct=50)]
    _, ruling, looks = look(traffic, spans, end)
    assert looks[Metric.QUALITY].verdict is Verdict.INCONCLUSIVE
    assert "labels for 0 of" in looks[Metric.QUALITY].reason
    assert ruling.advice == "advance"
    _, ruling, _ = look(traffic, spans, end, needs_labels=True)
    assert (str(ruling.advice), "quality: labels for 0 of" in ruling.reason) == ("inconclusive", True)


def test_labels_of_a_shadow_are_compared_pair_by_pair(traffic: Traffic) -> None:
    end = traffic.mirror(500, start=NOON, differ=0)
    traffic.label(at=end + timedelta(minutes=1))
    counted, _, looks = shadowed(traffic, end + timedelta(minutes=2))
    assert counted.labelled.paired
    assert len(counted.labelled.champion) == len(counted.labelled.candidate) == 500
    # The same answers to the same requests: their losses cannot differ, which 500 labels of two groups could not show.
    assert looks[Metric.QUALITY].verdict is Verdict.PASS


def test_a_regression_is_measured_by_the_champions_usual_error(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"task": "regression"})
    traffic = Traffic(tmp_path, settings=settings)
    traffic.send(400, start=NOON - timedelta(minutes=5), share=0, answers=(2, 2))
    traffic.label(at=NOON - timedelta(seconds=1))
    end = traffic.send(400, start=NOON, share=0.5, errors=(0, 0), answers=(2, 2))
    traffic.label(at=end)
    counted, _, _ = look(traffic, [Span(start=NOON, end=None, weight_pct=50)], end + timedelta(minutes=2))
    losses = [*counted.labelled.champion, *counted.labelled.candidate]
    assert losses
    assert 0 <= min(losses) <= max(losses) <= 1
    assert "usual largest" in counted.labelled.measure


class Staging:
    """A house whose judge reads a log."""

    def __init__(self, db: OpsDb, traffic: Traffic) -> None:
        self.house, self.traffic = House(db), traffic
        self.house.serving("1")
        self.looks, self.measurements = LookTable(db), MeasurementTable(db)
        house = self.house
        house.worker._decisions = Decisions(
            store=house.store, outbox=house.outbox, registry=house.registry, targets=lambda *_: house.target,
            terms=house.terms, ruling=self.looks.ruling)
        self.step = CanaryStep(releases=house.store.newest, places=house.store.places,
                               spans=ServedTable(db).spans, logs={MODEL: traffic.log},
                               looks=self.looks, save=self.measurements.save)

    def watch(self, release: Release, minutes: int, **how) -> Release:
        """Send traffic as the target splits it, and let judge and monitor look each half minute."""
        house = self.house
        for _ in range(minutes * 2):
            share = house.weights().get(release.version, 0) / 100
            if not 0 < share < 1 and not how.get("shadow"):
                break
            end = self.traffic.send(600, start=house.now, share=share, **how)
            house.now = end + timedelta(seconds=6)
            self.step.run(now=house.now)
            house.run()
        return house.store.get(release.id)


@pytest.fixture
def staging(db: OpsDb, traffic: Traffic) -> Staging:
    traffic.send(1000, start=NOON - timedelta(minutes=2), share=0)
    return Staging(db, traffic)


def test_a_bad_candidate_is_rolled_back_by_the_judge_without_a_person(staging: Staging) -> None:
    house = staging.house
    release = house.approve(house.propose("2", plan=AUTOMATIC), FIRST, SECOND)
    assert house.weights() == {"1": 90.0, "2": 10.0}

    release = staging.watch(release, 10, errors=(0.01, 0.12))
    house.run()

    assert house.store.get(release.id).state is State.ROLLED_BACK
    assert house.weights() == {"1": 100.0}
    assert house.store.get(release.id).note.startswith("errors:")
    stored = staging.looks.of(release.id)
    assert {s.look.metric: s.look.verdict for s in stored}[Metric.ERRORS] is Verdict.FAIL
    newest = {m.name: m for m, _ in staging.measurements.newest(subject=MODEL)}
    assert (newest["release_attention"].environment, newest["alias_moved"].verdict) == ("production", Verdict.PASS)


def test_a_good_candidate_climbs_its_steps_and_waits_for_people_to_promote(staging: Staging) -> None:
    house = staging.house
    release = house.approve(house.propose("2", plan=AUTOMATIC), FIRST, SECOND)
    release = staging.watch(release, 30, errors=(0.002, 0.002))
    assert (release.state, release.step) == (State.AWAITING_PROMOTE, 1)
    assert house.weights() == {"1": 50.0, "2": 50.0}


def test_a_shadow_that_answers_well_goes_on_to_the_canary(staging: Staging) -> None:
    house = staging.house
    release = house.approve(house.propose("2", plan=SHADOW), FIRST, SECOND)
    assert (release.state, house.target.observe(MODEL, "production").mirror) == (State.SHADOW, {"2": 100.0})
    release = staging.watch(release, 3, shadow=True, errors=(0.002, 0.002))
    assert house.store.get(release.id).state in {State.AWAITING_STEP, State.BAKING}


def test_a_shadow_that_answers_otherwise_asks_people_and_never_rolls_back_by_itself(staging: Staging) -> None:
    house = staging.house
    release = house.approve(house.propose("2", plan=SHADOW), FIRST, SECOND)
    for _ in range(4):
        house.now = staging.traffic.mirror(200, start=house.now, differ=0.5) + timedelta(seconds=6)
        staging.step.run(now=house.now)
        house.run()
    assert house.store.get(release.id).state is State.SHADOW
    house.run(3600)
    after = house.store.get(release.id)
    assert (after.state, house.weights()) == (State.AWAITING_STEP, {"1": 100.0})
    assert "a person must look: pairs:" in after.note
