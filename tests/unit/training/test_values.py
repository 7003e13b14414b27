import json
import math
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.training import values
from services.training.run import RawRun, Value
from tests.training_fixtures import a_raw, ms

texts = st.text(max_size=30)


def again(raw: RawRun, *, kind: str = "", key: str = "") -> list[Value]:
    return values.read(json.loads(values.write(raw)), kind=kind, key=key)


def test_what_a_run_said_comes_back_typed_by_kind_and_key(now: datetime) -> None:
    at = now.replace(microsecond=0)
    raw = a_raw(start=now, metrics=(("loss", 0.25, ms(at), 7), ("acc", 1.0, ms(at), 0)),
                params={"lr": "3e-4", "opt": "adam"}, tags={"ops.pipeline": "churn"})
    assert again(raw) == [
        Value(kind="metric", key="acc", number=1.0, step=0, at=at),
        Value(kind="metric", key="loss", number=0.25, step=7, at=at),
        Value(kind="param", key="lr", text="3e-4", number=0.0003), Value(kind="param", key="opt", text="adam"),
        Value(kind="tag", key="ops.pipeline", text="churn"),
    ]


def test_nan_and_both_infinities_become_words_without_a_number(now: datetime) -> None:
    raw = a_raw(start=now, metrics=(("a", math.nan, 1, 0), ("b", 1.7976931348623157e308, 1, 0),
                                    ("c", -1.7976931348623157e308, 1, 0), ("d", 0.5, 1, 3)))
    found = {v.key: (v.text, v.number, v.step) for v in again(raw, kind="metric")}
    assert found == {"a": ("nan", None, 0), "b": ("inf", None, 0), "c": ("-inf", None, 0), "d": (None, 0.5, 3)}


def test_six_thousand_characters_and_markup_are_kept_as_text(now: datetime) -> None:
    found = {v.key: v.text for v in again(a_raw(start=now, params={"p": "x" * 6000, "md": "**b** <script>"}))}
    assert (len(found["p"] or ""), found["md"]) == (6000, "**b** <script>")


def test_one_name_is_found_in_the_kind_it_was_asked_in(now: datetime) -> None:
    raw = a_raw(start=now, params={"epochs": "3"}, tags={"epochs": "many"}, metrics=(("epochs", 2.5, 1, 0),))
    assert [v.text for v in again(raw, kind="tag", key="epochs")] == ["many"]
    assert [v.number for v in again(raw, kind="metric", key="epochs")] == [2.5]
    assert again(raw, kind="param", key="epoch") == []


def test_the_order_in_which_a_source_tells_them_changes_nothing(now: datetime) -> None:
    one = a_raw(start=now, params={"a": "1", "b": "2"}, metrics=(("x", 1.0, 1, 0), ("y", 2.0, 1, 0)))
    other = a_raw(start=now, params={"b": "2", "a": "1"}, metrics=(("y", 2.0, 1, 0), ("x", 1.0, 1, 0)))
    assert values.write(one) == values.write(other)


@given(params=st.dictionaries(texts, texts, max_size=4), tags=st.dictionaries(texts, texts, max_size=4),
       metrics=st.dictionaries(texts, st.floats(), max_size=4))
def test_nothing_that_a_run_can_say_is_lost(
    params: dict[str, str], tags: dict[str, str], metrics: dict[str, float]
) -> None:
    raw = RawRun(run_id="r", experiment_id="1", experiment="e", status="FINISHED", start_ms=1, end_ms=2, params=params,
                 tags=tags, metrics=tuple((k, v, 5_000, 1) for k, v in metrics.items()))
    found = again(raw)
    assert len(found) <= len(params) + len(tags) + len(metrics)
    told = {(v.kind, v.key): v for v in found}
    for key, text in params.items():
        if "\x00" not in key + text:
            assert told["param", key].text == text
    for key, value in metrics.items():
        if "\x00" not in key and math.isfinite(value) and abs(value) < 1e307:
            assert told["metric", key].number == value
            assert told["metric", key].at == datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(seconds=5)
