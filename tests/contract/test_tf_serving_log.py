"""TF Serving's request log: records written by its own protocol buffers become rows that count like any other."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from services.adapters.doctor_logs import try_log
from services.adapters.mirrored_log import MirroredLog
from services.adapters.tf_serving_log import rows
from services.core.measurement import Verdict
from services.core.window import HOUR, TimeWindow
from services.errors import SourceMalformed
from services.predictions.ledger import FileState
from services.profiles.count import count_rows
from services.profiles.ports import Ask
from services.profiles.profile import merged
from services.settings import Settings
from services.settings.sections import Columns, Model
from tests.conftest import NOW
from tests.unit.drift.conftest import amount_layout

AMOUNTS = [0.5, -1.25, 2.0]


def predict(*, outputs: dict[str, Any] | None = None, **inputs: Any) -> PredictionLog:
    log = PredictionLog()
    log.log_metadata.model_spec.name, log.log_metadata.model_spec.version.value = "fares", 7
    for place, given in ((log.predict_log.request.inputs, inputs), (log.predict_log.response.outputs, outputs or {})):
        for name, value in given.items():
            place[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def example(amount: float, city: str) -> tf.train.Example:
    feature = {"amount": tf.train.Feature(float_list=tf.train.FloatList(value=[amount])),
               "city": tf.train.Feature(bytes_list=tf.train.BytesList(value=[city.encode()]))}
    return tf.train.Example(features=tf.train.Features(feature=feature))


def classify(scores: Sequence[float]) -> PredictionLog:
    log = PredictionLog()
    for amount, score in zip(AMOUNTS, scores, strict=False):
        log.classify_log.request.input.example_list.examples.append(example(amount, "ams"))
        found = log.classify_log.response.result.classifications.add()
        for label, value in (("0", 1 - score), ("1", score)):
            found.classes.add(label=label, score=value)
    return log


def regress(values: Sequence[float]) -> PredictionLog:
    log = PredictionLog()
    for amount in AMOUNTS:
        log.regress_log.request.input.example_list.examples.append(example(amount, "ber"))
    for value in values:
        log.regress_log.response.result.regressions.add(value=value)
    return log


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    def read(*logs: PredictionLog, columns: Columns | None = None) -> list[dict[str, Any]]:
        file = tmp_path / "log"
        with tf.io.TFRecordWriter(str(file)) as out:
            for log in logs:
                out.write(log.SerializeToString())
        return list(rows(file, columns or Columns(), origin_of="log", written=NOW))

    return read


def test_a_batch_is_one_row_per_row_with_the_version_that_answered(read: Callable) -> None:
    found = read(predict(amount=AMOUNTS, city=[b"ams", b"ber", b"ams"], outputs={"out": [[0.1], [0.2], [0.3]]}))
    assert [r["amount"] for r in found] == AMOUNTS
    assert [r["city"] for r in found] == ["ams", "ber", "ams"]
    assert [round(r["prediction"], 6) for r in found] == [0.1, 0.2, 0.3]
    assert {(r["model_version"], r["status"], r["ts"]) for r in found} == {("7", "ok", NOW)}
    assert len({r["request_id"] for r in found}) == 3


def test_the_same_file_gives_the_same_ids(read: Callable) -> None:
    log = predict(amount=AMOUNTS, outputs={"out": AMOUNTS})
    assert [r["request_id"] for r in read(log)] == [r["request_id"] for r in read(log)]


def test_an_input_named_like_the_request_id_is_the_id_and_no_feature(read: Callable) -> None:
    [row] = read(predict(amount=[1.0], trip=[b"t-1"], outputs={"out": [1.0]}), columns=Columns(request_id="trip"))
    assert row["trip"] == "t-1"
    assert "amount" in row


def test_several_outputs_keep_their_names_and_several_classes_are_the_likeliest(read: Callable) -> None:
    [row] = read(predict(amount=[1.0], outputs={"fare": [12.5], "sure": [0.8]}))
    assert (row["fare"], round(row["sure"], 6)) == (12.5, 0.8)
    [row] = read(predict(amount=[1.0], outputs={"probabilities": [[0.3, 0.7]]}))
    assert (row["prediction"], round(row["score"], 6)) == (1, 0.7)


def test_a_vector_is_as_many_columns_and_a_serialized_example_is_read(read: Callable) -> None:
    [row] = read(predict(vector=[[1.0, 2.0]], outputs={"out": [3.0]}))
    assert (row["vector_0"], row["vector_1"]) == (1.0, 2.0)
    [row] = read(predict(examples=[example(4.0, "cdg").SerializeToString()], outputs={"out": [3.0]}))
    assert (row["amount"], row["city"]) == (4.0, "cdg")


def test_classify_and_regress_requests_are_read_from_their_examples(read: Callable) -> None:
    found = read(classify([0.2, 0.9, 0.6]))
    assert [(r["prediction"], round(r["score"], 6)) for r in found] == [(0.0, 0.2), (1.0, 0.9), (1.0, 0.6)]
    assert [r["prediction"] for r in read(regress(AMOUNTS))] == AMOUNTS
    assert {r["city"] for r in read(regress(AMOUNTS))} == {"ber"}


@pytest.mark.parametrize(("log", "fault"), [
    (predict(amount=AMOUNTS), "no answer"), (regress([]), "no answer"), (regress([1.0]), "no answer"),
], ids=["predict", "regress", "an answer for some rows only"])
def test_a_request_without_its_answer_is_counted_as_an_error(read: Callable, log: PredictionLog, fault: str) -> None:
    found = read(log)
    assert [(r["status"], r["error_type"], r["amount"]) for r in found] == [("error", fault, a) for a in AMOUNTS]
    assert all("prediction" not in r for r in found)


def test_a_kind_of_request_that_is_not_read_is_one_row_that_says_so(read: Callable) -> None:
    log = PredictionLog()
    log.session_run_log.request.feed.add(name="x")
    assert [(r["status"], r["error_type"]) for r in read(log, PredictionLog())] == [
        ("error", "session_run_log not read"), ("error", "empty not read")]


def test_other_bytes_are_named_by_the_record_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"no records at all, but long enough to look like a length")
    with pytest.raises(SourceMalformed, match="is no file of PredictionLog records: record 0 cannot be read"):
        list(rows(tmp_path / "log", Columns(), origin_of="log", written=NOW))


def test_a_folder_of_record_files_counts_like_its_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    amounts, cities = rng.normal(0, 1, 60).astype("float32"), rng.choice(["ams", "ber"], 60)
    place = tmp_path / "theirs"
    place.mkdir()
    for part in range(2):
        with tf.io.TFRecordWriter(str(place / f"requests-{part}")) as out:
            for i in range(30 * part, 30 * part + 30):
                log = predict(amount=[amounts[i]], city=[cities[i]], outputs={"out": [float(i)]} if i % 10 else {})
                out.write(log.SerializeToString())
    settings = Model(task="regression", log=str(place), format="tfrecord", features=["amount", "city"])
    home = Settings.model_validate({"home": {"path": str(tmp_path)}})
    assert try_log(home, "fares", settings)[1].endswith(", holds 30 rows with every column")
    (place / "half").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00crc4")
    for part in range(2):
        os.utime(place / f"requests-{part}", (1e9, 1e9))
    verdict, said = try_log(home, "fares", settings)
    assert verdict is Verdict.FAIL
    assert said.startswith("half, the newest of 3 files, ")
    log = MirroredLog("fares", str(place), settings, mirror=tmp_path / "mirror")
    layout = amount_layout(amounts.astype(float))
    files = log.inspect(log.changes({}))
    assert [f.path for f in files if f.state is FileState.QUARANTINED] == ["half.parquet"]
    good = [f for f in files if f.state is FileState.NEW]
    hour = TimeWindow(min(f.first for f in good) - HOUR, max(f.last for f in good) + timedelta(hours=2))
    found, bad = log.count(good, Ask(layout=layout, window=hour, grain=HOUR))
    assert not bad
    total = merged(layout, (item.profile for item in found))
    right = count_rows(layout, [{"amount": float(a), "city": str(c)} for a, c in zip(amounts, cities, strict=True)])
    assert total.counts.tolist() == right.counts.tolist()
    copies = pq.read_table(tmp_path / "mirror" / "requests-0.parquet")
    assert copies["status"].to_pylist().count("error") == 3
