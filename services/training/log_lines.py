"""Cut a log into bare lines: colours, launcher prefixes, times and levels taken off, and the level kept beside.

What a line says is read in log_events.py.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent
from typing import Final

MAX_LINES: Final = 6_000
_WIDTH: Final = (600, 200)  # of a longer line: how many characters at its start and at its end
_MAX_PARTS: Final = 2_000
_HEAD: Final = 1_000  # of a longer log: the first lines say how it began, the last how it ended

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
# What launchers and collectors put before a line: ranks, times, pods, streams.
_PREFIX: Final = re.compile(
    r"""^(?:
      \[?(?:default\d+|rank[ _:]?\d+|\d+,\d+|node[\w.-]*|worker[ _-]?\d+)\]?(?:<std(?:err|out)>)?:\s?
    | \[(?:rank|local_rank)[ =:]?\d+\]:?\s?
    | \((?:[\w.-]*(?:\s+)?(?:pid|ip|rank)\s?=[^)]*)\)\s?
    | \(?[\w-]+\ pid=\d+(?:,\ ip=[\d.]+)?\)\s?
    | \d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\s?
    | \[\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]\s?
    | \d\d/\d\d/\d\d(?:\d\d)?\ \d\d:\d\d:\d\d\s
    | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s
    | std(?:err|out)\ [FP]\s
    | \d{1,3}:\s(?=\S)
    | [\w-]+/[\w-]+\ \|\s?
    | [\w.-]+\s+\|\s
    | \s{0,20}(?:\+\s|\|\s)(?=\s{0,8}(?:Exception\ Group\ )?(?:Traceback|File\ "|[\w.]+(?:Error|Exception|Group)\b))
    )""",
    re.VERBOSE,
)
_WORDS: Final = "CRITICAL|FATAL|ERROR|ERR|WARNING|WARN|INFO|DEBUG|TRACE|NOTICE"
# A level with the name of its logger; a name that ends in Error is the exception itself.
_LEVEL: Final = re.compile(
    rf"^(?:[\w.]+\s?[-:]\s)?[\[(<|]?\s?({_WORDS})\b\s?[\])>|]?"
    r"(?:[ :]\[?(?!\w*(?:Error|Exception|Interrupt)\b)[\w.-]+\]?(?=\s?[:\-]))?(?:\s?[:\-|]|\s)\s?"
)
_GLOG: Final = re.compile(r"^\[?([EFIW])(?:\d{3,4} [\d:.]+|[ ]?(?=[\w.]+\.(?:cpp|cc|cu|h):\d))")
_LETTERS: Final = {"E": "ERROR", "F": "FATAL", "I": "INFO", "W": "WARNING"}
_MESSAGE_KEYS: Final = ("message", "msg", "log", "textPayload", "event")
# Where structured loggers put the exception, beside a message that only says that there was one.
_CAUSE_KEYS: Final = ("error", "err", "exception", "exc_info", "stack_trace", "stacktrace", "traceback", "stack")
_LEVEL_KEYS: Final = ("level", "levelname", "severity", "lvl")


class Words:
    """A pattern with the short lower-case texts of which every match contains one; without any it is not tried.

    A long log is tried against dozens of patterns; looking for the texts first makes that a hundred times cheaper.
    """

    def __init__(self, stems: str, pattern: str) -> None:
        """Take the stems separated by `|`, and the pattern, which ignores case."""
        self._stems = tuple(stems.split("|"))
        self._pattern = re.compile(pattern, re.IGNORECASE)

    def found(self, text: str, lower: str) -> bool:
        """Tell whether the text contains a match; `lower` is the same text in lower case."""
        return any(stem in lower for stem in self._stems) and self._pattern.search(text) is not None


@dataclass(frozen=True, slots=True)
class Bare:
    """One line without what was put before it; `level` is the level it was logged at, in capitals, or empty."""

    text: str
    level: str = ""


def split(text: str) -> list[Bare]:
    """Return the lines of a log, bounded in number and width; progress bars are cut at each rewrite."""
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    lines = dedent(text).split("\n")
    if len(lines) > MAX_LINES:
        lines = lines[:_HEAD] + lines[-(MAX_LINES - _HEAD) :]
    return [bare for line in lines for bare in _read(line[:100_000])]


def _read(line: str) -> Iterator[Bare]:
    if line.startswith("{") and line.rstrip().endswith("}"):
        structured = _structured(line)
        if structured is not None:
            yield from structured
            return
    yield _bare(_narrow(line))


def _structured(line: str) -> list[Bare] | None:
    """Return the lines inside a JSON log record, or None when it is not one."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    message = next((record[k] for k in _MESSAGE_KEYS if isinstance(record.get(k), str)), None)
    if message is None:
        return None
    level = next((str(record[k]).upper() for k in _LEVEL_KEYS if record.get(k)), "")
    texts = [message, *(record[k] for k in _CAUSE_KEYS if isinstance(record.get(k), str))]
    parts = [part for text in texts for part in text.split("\n")[:_MAX_PARTS]]
    return [Bare(_bare(_narrow(part)).text, level) for part in parts]


def _narrow(line: str) -> str:
    head, tail = _WIDTH
    return line if len(line) <= head + tail else f"{line[:head]} … {line[-tail:]}"


def _bare(line: str) -> Bare:
    level = ""
    for _ in range(5):
        shorter = _PREFIX.sub("", line, count=1)
        if not level:
            if found := _LEVEL.match(shorter):
                level, shorter = found[1], shorter[found.end() :]
            elif glog := _GLOG.match(shorter):
                level = _LETTERS[glog[1]]
        if shorter == line:
            break
        line = shorter
    return Bare(line, level)
