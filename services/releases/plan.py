"""How a release goes to production: which shares of traffic, for how long, and who must agree in between.

A plan is data. Whether a target can honour it is asked here; when a step is over is decided in progress.py.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import yaml

from services.errors import Refused


class PlanRefused(Refused):
    """The plan cannot be carried out as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One share of traffic, in percent, and what must hold before it is left.

    `approval` asks people before this share is taken; how many is the approval policy's `increase`.
    After `deadline_s` without a clear answer the step is *inconclusive* and a person decides.
    """

    weight_pct: float
    min_requests: int = 60
    min_time_s: float = 60.0
    deadline_s: float = 3600.0
    approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole way: shadow first or not, canary steps, soak after promotion, and the latest end.

    `auto_promote` lets the system promote by itself, once the judge says advance and the policy asks for nobody.
    `through` names the environments that the version must have passed before this one begins, in their order.
    `needs_labels` lets no step advance before labels show that the answers are as good as the champion's.
    """

    name: str
    steps: tuple[Step, ...] = ()
    shadow_pct: float = 0.0
    shadow_min_requests: int = 0
    soak_s: float = 1800.0
    deadline_s: float = 259_200.0
    auto_promote: bool = False
    through: tuple[str, ...] = ()
    needs_labels: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain JSON values; equal plans give equal texts.

        What a plan does not ask for is left out where it came later: signatures under older plans stay valid.
        """
        found = {**asdict(self), "steps": [asdict(step) for step in self.steps], "through": list(self.through)}
        return {name: value for name, value in found.items() if value or name not in {"through", "needs_labels"}}

    def describe(self) -> str:
        """Return the plan as one line, such as `staging, shadow, 10%, 50%, then 100%`."""
        parts = [*self.through, *(["shadow"] if self.shadow_pct else []), *(f"{s.weight_pct:g}%" for s in self.steps)]
        ready = [] if self.steps or self.shadow_pct else ["load beside the champion"]
        return f"{', '.join([*parts, *ready])}, then 100%"


DIRECT: Final = Plan(name="direct")
CANARY: Final = Plan(
    name="canary", steps=(Step(weight_pct=10), Step(weight_pct=50, min_requests=200, approval=True)), soak_s=600.0
)
AUTOMATIC: Final = Plan(
    name="automatic", steps=(Step(weight_pct=10), Step(weight_pct=50, min_requests=200)), soak_s=60.0,
    auto_promote=True,
)
SHADOW: Final = Plan(
    name="shadow", shadow_pct=100.0, shadow_min_requests=200, soak_s=600.0,
    steps=(Step(weight_pct=10, approval=True), Step(weight_pct=50, min_requests=200, approval=True)),
)
STAGED: Final = replace(CANARY, name="staged", through=("staging",))
# How a version passes an environment on its way to a later one; whether people promote there its policy says.
PASSAGE: Final = replace(DIRECT, name="passage", soak_s=60.0, auto_promote=True)

# The plans every installation has; a team's own is given as JSON or YAML text when proposing.
PLANS: Final[Mapping[str, Plan]] = {plan.name: plan for plan in (DIRECT, CANARY, AUTOMATIC, SHADOW, STAGED)}


def from_json(value: Mapping[str, Any]) -> Plan:
    """Return the plan that plain values describe.

    Raises:
        PlanRefused: an unknown key, or a value of the wrong kind.
    """
    known = set(Plan.__dataclass_fields__)
    if strange := sorted(set(value) - known):
        raise PlanRefused(f"plan: {strange[0]} is not a known key; the keys are {', '.join(sorted(known))}")
    try:
        steps = tuple(Step(**step) for step in value.get("steps", ()))
        rest = {name: item for name, item in value.items() if name not in {"steps", "through"}}
        return valid(Plan(**{"name": "own", **rest}, steps=steps, through=_names(value.get("through", ()))))
    except (TypeError, AttributeError) as error:
        raise PlanRefused(f"plan cannot be read: {error}. A step has weight_pct, min_requests, min_time_s, "
                          "deadline_s, approval") from error


def from_text(text: str) -> Plan:
    """Return the plan that somebody wrote as YAML or JSON.

    Raises:
        PlanRefused: it is neither, has an unknown key, or cannot mean anything.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlanRefused(f"plan is neither YAML nor JSON: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(value, Mapping):
        raise PlanRefused("plan has no keys: write for example steps: [{weight_pct: 10}]")
    return from_json(value)


def to_text(plan: Plan) -> str:
    """Return the plan as YAML that `from_text` reads, one step a line: what a team begins its own plan from."""
    steps = [f"- {{{', '.join(f'{name}: {_word(value)}' for name, value in asdict(step).items())}}}"
             for step in plan.steps]
    rest = [f"{name}: {_word(value)}" for name, value in plan.to_json().items() if name not in {"steps", "name"}
            and value != []]
    return "\n".join(["name: own", *(["steps:", *steps] if steps else []), *rest])


def _word(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower()


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise PlanRefused(f"plan: through is a list of environments, such as [staging], not {value!r}")
    return tuple(value)


def valid(plan: Plan) -> Plan:
    """Return the plan when it can mean something.

    Raises:
        PlanRefused: weights that do not rise between 0 and 100, or a span that is not positive.
    """
    weights = [step.weight_pct for step in plan.steps]
    if any(not 0 < weight < 100 for weight in weights):
        raise PlanRefused(f"plan {plan.name}: a canary step takes more than 0 and less than 100 percent, not "
                          f"{', '.join(f'{w:g}' for w in weights)}")
    if weights != sorted(set(weights)):
        raise PlanRefused(f"plan {plan.name}: the steps' weights must rise, and are "
                          f"{', '.join(f'{w:g}' for w in weights)}")
    if any(step.min_requests < 0 or step.min_time_s < 0 or step.deadline_s <= 0 for step in plan.steps):
        raise PlanRefused(f"plan {plan.name}: minimum requests and times cannot be negative, a deadline must be later")
    if len(set(plan.through)) < len(plan.through):
        raise PlanRefused(f"plan {plan.name}: passes an environment twice: {', '.join(plan.through)}")
    if plan.deadline_s <= 0 or plan.soak_s < 0 or not 0 <= plan.shadow_pct <= 100:
        raise PlanRefused(f"plan {plan.name}: needs a deadline, a soak of at least 0 s, a mirror between 0 and 100%")
    return plan


def fits(plan: Plan, *, supports_split: bool, supports_mirror: bool, champion: str) -> str:
    """Return why the plan cannot run there, or nothing when it can.

    A first version has no champion to share traffic with, so it can only go directly.
    """
    if plan.steps and not supports_split:
        return f"plan {plan.name} shares traffic, and this target cannot split it: choose direct"
    if plan.shadow_pct and not supports_mirror:
        return f"plan {plan.name} mirrors requests, and this target cannot: choose canary or direct"
    if (plan.steps or plan.shadow_pct) and not champion:
        return f"plan {plan.name} compares with a champion, and nothing is served yet: choose direct"
    return ""
