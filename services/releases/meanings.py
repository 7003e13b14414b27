"""What the numbers of a release and of its canary are: in one sentence, by which formula, and from where.

What the measurements about releases are stands with all others, in core/meanings.py.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.core.meanings import Meaning
from services.releases import numbers
from services.releases.canary import Metric

_AUDIT: Final = "times of the decisions in the audit log"
_LOG: Final = "prediction log, candidate beside champion, since its first request"
_HARM: Final = ("safe two-proportion e-process over blocks of requests: E grows while the candidate does worse, and at "
                "its limit the rollout is taken back; it may be looked at after every request")

_NUMBERS: Final[dict[str, Meaning]] = {
    numbers.LEAD: Meaning(
        "how long a version takes from its registration until people promote it",
        "median of promoted - registered, over the rollouts that ended; those registered after it are left out",
        f"{_AUDIT}, MLflow's registry"),
    numbers.WAIT: Meaning(
        "how long a release waits for people",
        "median of approved - gates recorded, over the rollouts that ended",
        _AUDIT),
    numbers.FAILED: Meaning(
        "share of rollouts that were taken back",
        "rolled back / (completed + rolled back)",
        "ops store"),
    numbers.RECOVERED: Meaning(
        "how long a failed rollout takes to be undone",
        "median of split read back - rollback decided",
        _AUDIT),
}

_OF_ONE: Final[dict[str, Meaning]] = {
    "gate": Meaning(
        "whether a fact about the candidate lets it go on",
        "its value against its limit; required ones that fail, or were not run, stop the release",
        "MLflow's registry and artefacts, the validation of the same files against the same champion"),
    "95%": Meaning(
        "how far a difference of metrics may be off",
        "95% interval of the difference on the same rows; where it holds no difference, perhaps there is none",
        "run of the version, validation"),
    "traffic": Meaning(
        "which share of requests the version should get, and gets",
        "weight wanted by the step, and weight read back from the target",
        "ops store, deployment target"),
    str(Metric.SAMPLE_RATIO): Meaning(
        "whether the candidate got the share of requests that it should",
        "sequential test of the share: E at 1,000 pauses the rollout, and never blames the model",
        _LOG),
    str(Metric.ERRORS): Meaning(
        "whether the candidate fails more", f"{_HARM}; to go on, 5 points more failures must be ruled out", _LOG),
    str(Metric.LATENCY): Meaning(
        "whether the candidate is slow more often",
        f"slow is over the champion's p95 of before; {_HARM}; to go on, 10 points more must be ruled out", _LOG),
    str(Metric.PREDICTIONS): Meaning(
        "whether the candidate answers otherwise",
        "minimum-effect chi-squared test of both answers' bins, more than 0.1 on the PSI scale; asks for a person, "
        "takes nothing back",
        _LOG),
    str(Metric.PAIRS): Meaning(
        "how often a shadow answers the same request otherwise",
        "different answers / requests that both answered; more than one in ten asks for a person",
        "prediction log, shadow and champion by request"),
    str(Metric.QUALITY): Meaning(
        "whether the candidate's answers are as good, as far as labels are here",
        "mean loss of the candidate - of the champion, by an empirical-Bernstein confidence sequence; at most 0.05 "
        "worse",
        "prediction log joined with labels"),
}

NUMBERS: Final[Mapping[str, Meaning]] = MappingProxyType(_NUMBERS)
OF_ONE: Final[Mapping[str, Meaning]] = MappingProxyType(_OF_ONE)
