"""Find the lines of a log that can explain a failure: exception lines, errors and fatal words, not frames or chatter.

Quoted source code is left out, because `except FileNotFoundError:` in a frame is not a missing file. Which class a
line means is decided in classify.py.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from services.training.log_lines import Bare, Words, split

_QUIET: Final = Words("info|debug|trace|warning: ", r"(?<!=)\b(?-i:INFO|DEBUG|TRACE)\b|(?-i:\wWarning: )")
_SURVIVED: Final = Words(
    "retry|falling back|ignor|skipp|disabled|scratch|default|fresh|proceed|continuing|will be|not fatal|for faster",
    r"\b(?:retrying|will retry|retry in \d+|falling back|ignored|ignoring|skipp(?:ing|ed)|disabled|from scratch"
    r"|(?:using|use|to) (?:the )?defaults?|defaulting|starting (?:fresh|over)|proceeding|continuing (?:with|anyway)"
    r"|will be (?:created|downloaded|used)|not fatal|for faster)\b",
)
# What TensorFlow says as an error at every start, on machines without a card as well as on those with one.
_STARTUP: Final = Words(
    "factory|cuinit|cuda drivers|dlopen some gpu|tensorrt",
    r"unable to register \w+ factory|failed call to cuInit|could not find cuda drivers|cannot dlopen some gpu libraries"
    r"|could not find tensorrt",
)
_FRAME: Final = re.compile(
    r"""^\s*(?:File\ "[^"]+",\ line\ \d+|at\ [\w.$<>]+\(|\#\d+\s+0x|\^|~{2,}|\.\.\.\s<|-{2,}>\ *\d+\b)""",
    re.VERBOSE,
)
_TRACEBACK: Final = re.compile(
    r"^(?:\W*|[\w.]+\s{2,})(?:Original |Exception Group )?(?:Traceback|Stack) \(most recent call last\)"
)
_CAUSED: Final = re.compile(r"The above exception was the direct cause")
_CHAINED: Final = re.compile(r"The above exception was the direct cause|During handling of the above exception")
# Messages that only announce one: what is wrong stands in the lines below.
_HOLLOW: Final = re.compile(r"^(?:Exception encountered when calling\b.*|Graph execution error:.*)$")
_STILL_HOLLOW: Final = re.compile(
    r"^(?:Detected at node\b.*|<stack traces unavailable>|Node: .*|.*\broot error\(s\) found\.?|.*:)$")
_NODE: Final = re.compile(r"^\{\{function_node [^}]*\}\} ")
_NOTHING_INSIDE: Final = re.compile(r"^(?:Call a|A)rguments received by\b")
_NAMES: Final = ("error", "exception", "interrupt", "Exit", "Fail", "Fault", "Timeout", "OutOfRes", "Iteration",
                 "NotFound", "Diverged", "exceptions.", "errors.", "exc.", "errorfactory.", "BadZip")
_EXCEPTION: Final = re.compile(
    r"^(?:E\s{2,}|Caused by: |Exception in thread \"[^\"]*\" |what\(\):\s*|[\w./-]+: )?"
    r"((?:[A-Za-z_]\w*\.)*(?:[A-Za-z_]\w*(?:(?i:Error|Exception|Interrupt)|Exit|Failure|Failed|Fault|Timeout"
    r"|OutOfResources|Iteration|NotFound|Diverged|BadZipFile)|Exception|BadZipFile)"
    r"|(?:\w+\.)+(?:exceptions|errors|exc|errorfactory)\.\w+)(?::\s?(.*))?$"
)
_ANY_EXCEPTION: Final = re.compile(r"^((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?::\s(.*)|:?)$")
# Somebody else's failure passed on: true, and no explanation.
_WRAPPER: Final = Words(
    "childfailed|calledprocess|raytask|rayactor|actordied|workercrashed|unexpectedly|brokenprocess|process|systemexit"
    "|non-zero|terminatedworker|airflow|papermill|py4jjava|cellexecution|deadkernel|trainingfailed|unexpectedstatus"
    "|executionexception|=== run (|code 1|closing signal|forcefully|exitcode|launch.py|root cause",
    r"ChildFailedError|CalledProcessError|RayTaskError|RayActorError|ActorDiedError|WorkerCrashedError"
    r"|exited unexpectedly|BrokenProcessPool|ProcessRaisedException|ProcessExitedException|SystemExit"
    r"|non-zero exit (?:code|status)|TerminatedWorkerError|AirflowException|PapermillExecutionError|Py4JJavaError"
    r"|CellExecutionError|DeadKernelError|TrainingFailedError|UnexpectedStatusException"
    r"|mlflow\.exceptions\.ExecutionException|=== Run \(ID|exit(?:ed)? with (?:exit )?code 1\b"
    r"|Sending process \d+ closing signal|forcefully exiting via SIGKILL|exitcode *: *1\b|launch\.py: error"
    r"|Root Cause|error: .*exit code 1\b",
)
_PROGRESS: Final = Words(
    "epoch|step|iter|batch|%|it/s|s/it|loss|resum|restart|recover|retr|continu|instead|falling back|running training",
    r"\b(?:epoch|step|iter(?:ation)?|batch|global_step)\b[^\n]{0,12}\d|\d+%\||\bit/s\b|s/it\b|\bloss\b\s*[=:]"
    r"|\b(?:resum|restart|recover|retr(?:y|ied)|continu)\w*|\busing\b[^\n]{1,60}\binstead\b|\bfalling back\b"
    r"|\brunning training\b",
)
_CALM: Final = frozenset({"INFO", "DEBUG", "TRACE", "NOTICE"})


# Lists of what may have happened: not evidence of any of it.
_GUESS: Final = Words(
    "root causes|caused|causes",
    r"potential root causes|\b(?:may|might|could)(?: also)?(?: have been| be) caused|possible causes|common causes",
)


class Weight(StrEnum):
    """How much a line says."""

    EXCEPTION = "exception"
    ERROR = "error"
    WRAPPER = "wrapper"
    WARNING = "warning"
    SURVIVED = "survived"  # it says itself that the job went on
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that may explain the failure.

    `type` and `message` are of an exception; `frame` is the deepest frame of the job's own code.
    """

    index: int
    text: str
    weight: Weight
    type: str = ""
    message: str = ""
    frame: str = ""
    frames: tuple[str, ...] = ()
    chained: bool = False  # it was raised while an earlier one was handled
    caused: bool = False  # and says that the earlier one is its cause
    source: str = ""  # the rank or process that wrote it, where that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The telling lines of a log, oldest first, and where ordinary progress was printed."""

    lines: tuple[Line, ...]
    progress: tuple[tuple[int, str], ...]  # and which rank or process went on


def read(text: str) -> Log:
    """Return the telling lines of a log."""
    reader = _Reader()
    for index, bare in enumerate(split(text)):
        reader.take(index, bare)
    return Log(lines=tuple(reader.found), progress=tuple(reader.progress))


class _Reader:
    """Walks a log once, and knows whether it stands inside a traceback."""

    def __init__(self) -> None:
        self.found: list[Line] = []
        self.progress: list[tuple[int, str]] = []
        self._frames: list[str] = []
        self._inside = self._quoted = self._chained = self._caused = False
        self._hollow = False  # the last exception found only announced what is wrong

    def take(self, index: int, bare: Bare) -> None:
        """Read the next line."""
        text = bare.text.strip()
        if not text:
            return
        if _CHAINED.search(text):
            self._chained, self._caused = True, _CAUSED.search(text) is not None
            self._hollow = False
        elif _TRACEBACK.match(text):
            self._hollow = False
            self._inside, self._quoted, self._frames = True, False, []
        elif _FRAME.match(bare.text):
            if text.startswith("File "):
                self._frames.append(text)
                self._quoted = True
        elif bare.text[:1] in " \t" and (self._inside or self._quoted):
            # The line of source that a frame quotes, or its underlining.
            self._quoted = False
        elif exception := self._exception(text, bare.level):
            self.found.append(Line(
                index=index, text=text,
                weight=Weight.WRAPPER if _WRAPPER.found(text, text.lower()) else Weight.EXCEPTION,
                type=exception[1], message=exception[2] or "", frame=_own(self._frames), frames=tuple(self._frames),
                chained=self._chained, caused=self._caused, source=bare.source))
            self._hollow = self.found[-1].weight is Weight.EXCEPTION and _announces(exception[2])
            self._inside = self._quoted = self._chained = self._caused = False
            self._frames = []
        else:
            self._inside = False
            if self._hollow:
                self._fill(text, bare.level)
            self.found.append(Line(index=index, text=text, weight=_weight(text, bare.level), source=bare.source))
            if _PROGRESS.found(text, text.lower()):
                self.progress.append((index, bare.source))

    def _fill(self, text: str, level: str) -> None:
        """Let the last exception say what the lines below its announcement say."""
        if _NOTHING_INSIDE.match(text) or _said_by_others(level):
            self._hollow = False
        elif not _STILL_HOLLOW.match(text):
            at = next(i for i in reversed(range(len(self.found))) if self.found[i].weight is Weight.EXCEPTION)
            header = self.found[at]
            text = _NODE.sub("", text)
            message = text if _HOLLOW.match(header.message) else f"{header.message} {text}".strip()
            self.found[at] = replace(header, text=f"{header.type}: {message}", message=message)
            self._hollow = False

    def _exception(self, text: str, level: str) -> re.Match[str] | None:
        lower = text.lower()
        named = any(name in text or name in lower for name in _NAMES)
        if self._inside:
            return (_EXCEPTION.match(text) if named else None) or _ANY_EXCEPTION.match(text)
        # Outside a traceback an exception's name in a warning is a report of something survived.
        if not named or _weight(text, level) in {Weight.PLAIN, Weight.WARNING, Weight.SURVIVED}:
            return None
        return _EXCEPTION.match(text)


def aloud(line: Line) -> Line:
    """Return a line that was logged as mere news, read as if it had been logged as an error."""
    raised = _EXCEPTION.match(line.text)
    if not raised or line.type:
        return replace(line, weight=Weight.ERROR)
    return replace(line, weight=Weight.EXCEPTION, type=raised[1], message=raised[2] or "")


def _announces(message: str | None) -> bool:
    """Tell whether an exception's message is only a heading; None is that of an exception without a colon."""
    if message is None:
        return False
    return not message.strip() or message.rstrip().endswith(":") or _HOLLOW.match(message) is not None


def _said_by_others(level: str) -> bool:
    return level.startswith("WARN") or level in _CALM


def _weight(text: str, level: str) -> Weight:
    lower = text.lower()
    if _STARTUP.found(text, lower) or _GUESS.found(text, lower):
        return Weight.WARNING
    if _WRAPPER.found(text, lower):
        return Weight.WRAPPER
    if level.startswith(("CRIT", "FATAL", "ERR")) or "OP_REQUIRES failed" in text:
        return Weight.ERROR  # TensorFlow only warns of an operation that failed, and then raises what it warned of
    if level in _CALM or _QUIET.found(text[:160], lower[:160]):
        return Weight.PLAIN
    if _SURVIVED.found(text, lower):
        return Weight.SURVIVED
    return Weight.WARNING if level.startswith("WARN") else Weight.ERROR


def _own(frames: list[str]) -> str:
    """Return the deepest frame in the job's own code as `file:function`, else the deepest of all."""
    told = [f for f in frames if f.startswith("File ")]
    own = [f for f in told if not re.search(r"site-packages|dist-packages|/lib/python|<frozen|<string>", f)]
    if not told:
        return ""
    match = re.match(r'File "([^"]+)", line \d+(?:, in (.+))?', (own or told)[-1])
    if not match:
        return ""
    return f"{match[1].replace(chr(92), '/').rsplit('/', 1)[-1]}:{(match[2] or '').strip()}"
