"""Say why a run failed: the class of its log, the line that shows it, who mends it, and whether a retry helps.

A log is read backwards from its end: what the job survived is not what ended it. The rules themselves are in
failure_rules.py.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.training import log_events
from services.training.failure_names import common_name
from services.training.failure_rule import FailureRule, Owner
from services.training.failure_rules import Rules, by_class
from services.training.log_events import Line, Log, Weight
from services.training.run import LOST, Effective, Failure, Run

FAILURE_RECORD: Final = "ops/failure.json"
LOG_TAIL: Final = "ops/log_tail.txt"
UNKNOWN: Final = "unknown"
_GENERAL: Final = frozenset({"assertion", "runtime_error", "traceback"})
# A rank that died makes the others time out, and a killed parent kills its children.
_COLLATERAL: Final = frozenset({"nccl", "killed_by_user", "network"})
# What one process dies of while the others go on until they miss it.
_CONTAGIOUS: Final = frozenset({
    "cuda_oom", "ram_oom", "oom_killer", "segfault", "cuda_runtime", "node_failure", "disk_full",
})
# What programs often look for, do not find, and do without.
_OFTEN_OPTIONAL: Final = frozenset({"file_not_found", "permission", "missing_module", "network", "data_error"})
# How a shell or a tool ends the line of what it could not do: such a line is an error, whatever follows.
_STRERROR: Final = re.compile(
    r"(?:no such file or directory|permission denied|denied|not found|not permitted|forbidden|unauthorized)\W*$",
    re.IGNORECASE,
)
_AFTER_NAN: Final = frozenset({"RuntimeError", "ValueError", "AssertionError", "FloatingPointError", "SystemExit", ""})
# A scheduler's word outweighs the shape of the death it caused, even where it was only logged as a warning.
_SCHEDULER: Final = frozenset({"preempted", "node_failure", "time_limit"})
_BY_EXIT: Final = {137: "oom_killer", -9: "oom_killer", 139: "segfault", -11: "segfault", 134: "segfault",
                   -6: "segfault", 136: "div_zero", -8: "div_zero", 143: "killed_by_user", -15: "killed_by_user",
                   130: "killed_by_user", -2: "killed_by_user", 124: "time_limit", 127: "missing_module",
                   126: "permission"}
_SIGNALLED: Final = frozenset({"oom_killer", "segfault"})
_STEPS_ALONE: Final = 3  # how many lines of progress the others may print before they miss a rank
_LAST: Final = 20  # how many lines at the end may tell of an end that nobody called an error
_PASSED_ON: Final = re.compile(r"Caught \w+ in\b")  # from a worker of a data loader; its own words stand below
_STOPS: Final = re.compile(r"\b(?:stop|abort|terminat|exit|quit|halt|diverg)", re.IGNORECASE)
_NAN_SAID: Final = re.compile(r"\b(?:nan|inf|non-?finite|infinite|diverg\w*)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The class of a failure and what it was read from."""

    cls: str
    owner: Owner
    retryable: bool
    line: str
    type: str = ""
    message: str = ""
    frame: str = ""
    by: str = "shipped"

    @property
    def common(self) -> str:
        """Its class by the names of the labelled file, which are coarser than ours; what a person said stays."""
        return common_name(self.cls, self.line) if self.by == "shipped" else self.cls

    @property
    def fingerprint(self) -> str:
        """What makes two failures the same: class, exception type, and top frame without its line number."""
        text = "|".join((self.cls, self.type.rsplit(".", 1)[-1], self.frame))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Event:
    """A telling line with the rule it met; an exception that meets none is a plain traceback."""

    line: Line
    rule: FailureRule | None
    rank: int
    cls: str


def classify(text: str, *, exit_code: int | None = None, rules: Rules | None = None) -> Classified:
    """Return why the job that wrote this log ended.

    Args:
        text: the log, whole or its tail.
        exit_code: of the process, used only where the log says nothing.
        rules: corrections by people over the shipped rules.
    """
    log = log_events.read(text)
    ordered = (rules or Rules()).ordered
    if corrected := _corrected(log, rules):
        return corrected
    events = [e for line in log.lines if (e := _event(line, ordered))]
    said = [e for e in events if _speaks(e)]
    announced = [e for e in events if e.cls in _SCHEDULER]
    if said:
        picked = _pick(said, log)
        return _told(announced[-1] if announced and picked.cls == "killed_by_user" else picked)
    lasting = [e for e in events if e.line.weight is not Weight.SURVIVED]
    if weak := announced or [e for e in lasting if e.rule is not None] or lasting or events:
        return _told(min(weak, key=lambda e: (e.rank, -e.line.index)))
    if exit_code is None and (last := _last_words(log, ordered)):
        return _told(last)
    return _by_exit_code(exit_code, log)


def _event(line: Line, ordered: Sequence[FailureRule]) -> _Event | None:
    if line.weight is Weight.PLAIN:
        return None
    lower = line.text.lower()
    for rank, rule in enumerate(ordered):
        if rule.matches(line.text, lower):
            return _Event(line, rule, rank, rule.cls)
    if line.type and line.weight in {Weight.EXCEPTION, Weight.WRAPPER}:
        return _Event(line, None, len(ordered), "traceback")
    return None


def _last_words(log: Log, ordered: Sequence[FailureRule]) -> _Event | None:
    """Return what the last lines say of how the process ended, though they were logged as mere news."""
    told = [e for line in log.lines[-_LAST:] if (e := _event(log_events.aloud(line), ordered))]
    ended = [e for e in told if e.line.type or _is_symptom(e) or e.cls in _SIGNALLED]
    return min(ended, key=_telling) if ended else None


def _speaks(event: _Event) -> bool:
    if event.line.weight is Weight.WRAPPER:
        # It passes on how another process ended; where it only guesses, it says so.
        told = event.rule is not None and event.cls not in _GENERAL and not _is_symptom(event)
        return told and "could be caused by" not in event.line.text
    return event.line.weight in {Weight.EXCEPTION, Weight.ERROR}


def _is_symptom(event: _Event) -> bool:
    return event.rule is not None and event.rule.symptom


def _pick(events: Sequence[_Event], log: Log) -> _Event:
    """Return the event that ended the job, of those that nothing survived."""
    told = {e.line.index for e in events}
    progress = [went_on for went_on in log.progress if went_on[0] not in told]
    first = len(events) - 1
    # Backwards, as long as no ordinary progress lies between: what was survived stays out.
    while first > 0 and not _survived(progress, events[first - 1].line, events[first].line):
        first -= 1
    cluster = _without_remarks(events[first:])
    if first > 0 and all(e.cls in _COLLATERAL for e in cluster):
        # This process only noticed: the cause may lie before its last lines of progress, with another rank.
        cluster = [e for e in events[:first] if e.cls in _CONTAGIOUS] or cluster
    best = min(cluster, key=_telling)
    if best.cls in _COLLATERAL and (own := _own_before(cluster)):
        best = min(own, key=_telling)
    if best.cls == "nccl" and (nan := _stopped_by_nan(best, events)):
        return nan
    if best.cls in _GENERAL and (nan := _nan_before(best, cluster)):
        return nan
    return _cause(best, cluster) if best.cls == "runtime_error" and best.line.caused else best


def _without_remarks(cluster: Sequence[_Event]) -> list[_Event]:
    """Leave out what was only remarked before the program's own exception: what was not there, and was done without."""
    raised = next((i for i, e in enumerate(cluster) if e.line.type and e.line.weight is Weight.EXCEPTION), 0)
    return [e for i, e in enumerate(cluster)
            if i >= raised or e.cls not in _OFTEN_OPTIONAL or e.line.type or _STRERROR.search(e.line.text)]


def _telling(event: _Event) -> tuple[bool, int, bool, int]:
    line = event.line
    silent = line.weight is Weight.WRAPPER or bool(
        line.type and (not line.message or _PASSED_ON.match(line.message)))
    return _is_symptom(event), event.rank, silent, line.index


def _own_before(cluster: Sequence[_Event]) -> list[_Event]:
    """Return the program's own exceptions that came before anyone noticed that a process was gone."""
    noticed = next(i for i, e in enumerate(cluster) if e.cls in _COLLATERAL)
    # One that was raised while an earlier exception was handled explains that it could not be handled.
    if cluster[noticed].line.chained:
        return []
    killed = [e for e in cluster[:noticed] if _is_symptom(e) and e.cls in _CONTAGIOUS]
    return killed or [e for e in cluster[:noticed] if e.line.weight is Weight.EXCEPTION and e.line.type]


def _stopped_by_nan(best: _Event, events: Sequence[_Event]) -> _Event | None:
    """Return the line by which a rank left the others because of its loss: it says that it stops."""
    nans = [e for e in events if e.cls == "nan_loss" and e.line.index < best.line.index and not _is_symptom(e)]
    return next((e for e in nans if _STOPS.search(e.line.text)), None)


def _nan_before(best: _Event, cluster: Sequence[_Event]) -> _Event | None:
    """Return the line that printed a loss as NaN, where a general exception that may follow from it ended the job."""
    follows = best.line.type.rsplit(".", 1)[-1] in _AFTER_NAN or _NAN_SAID.search(best.line.text)
    nans = [e for e in cluster if e.cls == "nan_loss" and e.line.index < best.line.index]
    return nans[0] if nans and follows else None


def _cause(best: _Event, cluster: Sequence[_Event]) -> _Event:
    """Return the exception that a re-raised general one was raised from."""
    before = [e for e in cluster if e.line.index < best.line.index and e.line.type]
    return before[-1] if before else best


def _survived(progress: Sequence[tuple[int, str]], line: Line, until: Line) -> bool:
    """Tell whether the job went on after a line. Ranks that miss one another soon wait: a few steps prove nothing."""
    after = [source for index, source in progress if line.index < index < until.index]
    others = sum(1 for source in after if line.source and source and source != line.source)
    return len(after) > others or others > _STEPS_ALONE


def _told(event: _Event) -> Classified:
    line, rule = event.line, event.rule
    if rule is None:
        # A column that pandas was asked for and does not have is a fault of the data, whatever Python calls it.
        data = line.type.endswith("KeyError") and any("pandas" in f for f in line.frames)
        owner, retryable, by = (Owner.DATA if data else Owner.CODE), False, "shipped"
    else:
        owner, retryable, by = rule.owner, rule.retryable, rule.by
    return Classified(cls=event.cls, owner=owner, retryable=retryable, line=line.text[:500], type=line.type,
                      message=line.message, frame=line.frame, by=by)


def _corrected(log: Log, rules: Rules | None) -> Classified | None:
    for rule in rules.corrections if rules else ():
        for line in reversed(log.lines):
            if rule.matches(line.text, line.text.lower()):
                return _told(_Event(line, rule, 0, rule.cls))
    return None


def _by_exit_code(exit_code: int | None, log: Log) -> Classified:
    cls = _BY_EXIT.get(exit_code, UNKNOWN) if exit_code is not None else UNKNOWN
    owner, retryable = by_class(cls)
    line = f"exit code {exit_code}" if cls != UNKNOWN else next((e.text for e in reversed(log.lines)), "")
    return Classified(cls=cls, owner=owner, retryable=retryable, line=line[:500])


def explain(run: Run, texts: Mapping[str, str], *, rules: Rules | None = None) -> Failure:
    """Return what is known of a run's failure, from its record, its last log lines, its tags and how it ended.

    Args:
        run: a run that ended badly.
        texts: its small text artefacts by path; may be empty.
        rules: corrections by people over the shipped rules.
    """
    record = _record(texts.get(FAILURE_RECORD, ""))
    known = run.failure
    head = f"{record.get('type') or known.type}: {record.get('message') or known.message}".strip(": ")
    logs = [body for path, body in sorted(texts.items()) if path.endswith((".txt", ".log"))]
    log = "\n".join(t for t in (*logs, record.get("traceback", ""), head) if t)
    found = classify(log, exit_code=known.exit_code, rules=rules)
    if known.cls and known.cls != LOST and found.by == "shipped":
        owner, retryable = by_class(known.cls)
        same = found.cls == known.cls
        found = replace(found, cls=known.cls, owner=found.owner if same else owner,
                        retryable=found.retryable if same else retryable, line=found.line or known.line)
    elif found.cls == UNKNOWN and found.by == "shipped":
        found = _by_ending(run, found)
    return replace(
        known, cls=found.cls, type=known.type or record.get("type", found.type),
        message=known.message or record.get("message", found.message)[:500], line=found.line or known.line,
        owner=str(found.owner), retryable=found.retryable, fingerprint=found.fingerprint,
        evidence=known.evidence or (FAILURE_RECORD if record else ""),
    )


def _by_ending(run: Run, found: Classified) -> Classified:
    if run.effective is Effective.SUSPECTED_DEAD:
        owner, retryable = by_class(LOST)
        return replace(found, cls=LOST, owner=owner, retryable=retryable, line=run.evidence)
    if run.effective is Effective.KILLED:
        owner, retryable = by_class("killed_by_user")
        return replace(found, cls="killed_by_user", owner=owner, retryable=retryable, line=run.evidence)
    return found


def _record(text: str) -> dict[str, str]:
    """Return the texts of the failure record a job left; anything that is not a JSON object counts as none."""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
