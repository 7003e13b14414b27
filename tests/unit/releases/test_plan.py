"""A plan is data: what people write is read, and what is shown to begin from is read as the same plan."""

from dataclasses import replace

import pytest

from services.releases.plan import PLANS, PlanRefused, Step, from_text, to_text


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_shown_as_text_is_read_as_the_same_plan(plan) -> None:
    assert from_text(to_text(plan)) == replace(plan, name="own")


def test_a_plan_may_be_json_too() -> None:
    assert from_text('{"steps": [{"weight_pct": 5}]}').steps == (Step(weight_pct=5),)


@pytest.mark.parametrize(("written", "said"), [
    ("steps: [}", "neither YAML nor JSON"), ("", "has no keys"), ("stages: 3", "stages is not a known key"),
    ("steps: [{weight_pct: 50}, {weight_pct: 10}]", "must rise"),
])
def test_what_cannot_be_read_is_said_in_one_line(written: str, said: str) -> None:
    with pytest.raises(PlanRefused, match=said) as refused:
        from_text(written)
    assert "\n" not in str(refused.value)
