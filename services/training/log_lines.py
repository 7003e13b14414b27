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

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|#033\[[0-9;]*m")
# What launchers and collectors put before a line: ranks, times, pods, streams.
_PREFIX: Final = re.compile(
    r"""^(?:
      \[?(?:default\d+|rank[ _:]?\d+|\d+,\d+|node[\w.-]*|worker[ _-]?\d+)\]?(?:<std(?:err|out)>)?:\s?
    | \[(?:rank|local_rank)[ =:]?\d+\]:?\s?
    | \((?:[\w.-]*(?:\s+)?(?:pid|ip|rank)\s?=[^)]*)\)\s?
    | \(?[\w-]+\ pid=\d+(?:,\ ip=[\d.]+)?\)\s?
    | \[\d+,mpirank:\d+,[\w-]+\]<std(?:err|out)>:\s?
    | [A-Z]\w{2,4}\.?\ +\d{1,2}\ \d\d:\d\d:\d\d\ [\w.-]+\ [\w.@/-]+(?:\[\d+\])?:\s
    | \d{4}[-/]\d\d[-/]\d\d[T ,]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\s?
    | \[\d{4}-\d\d-\d\d(?:T|,?\ )\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d|\ [A-Z]{3,4})?\]\s?
    | \{[\w.-]+:\d+\}\s
    | \d\d/\d\d(?:/\d\d(?:\d\d)?)?\ \d\d:\d\d:\d\d\s
    | \d{1,3}(?:\.\d{1,3}){3}:\s
    | -\s(?=[\w.]+\ -\ )
    | [\w./-]+\.py:\d+:?\s(?!\w*Warning)
    | \w+(?:\.\w+)*:[\w.<>]+:\d+\ -\s
    | (?:\d\d[OE]|\[base\])\s
    | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s
    | std(?:err|out)(?:\ [FP]\s|:\s)
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
    rf"^(?:[\w.]+\s?[-:]\s|\[[\w.]+\])?[\[(<|]?\s?({_WORDS})\b\s*[\])>|]?"
    r"(?:[ :]\[?(?!\d|[\w.]*(?:Error|Exception|Interrupt|exceptions|errors)\b)[\w.-]+\]?(?=\s?[:\-]))?"
    r"(?:\s?[:\-|]|\s)\s?"
)
_GLOG: Final = re.compile(r"^(?:: )?\[?([EFIW])(?:\d{3,4} [\d:.]+|[ ]?(?=[\w./-]+\.(?:cpp|cc|cu|h):\d))")
# The same with a process and a place in the source, as relays write it before what they pass on.
_RELAY: Final = re.compile(r"^([EFIW])\d{4} [\d:.]+\s+\d+ [\w./-]+:\d+\]\s?")
# A traceback shows what a collector put before every line of its process.
_SHOWN: Final = "Traceback (most recent call last)"
_NO_PREFIX: Final = re.compile(r"^\s*(?:[|+\"]|\{\s*\")|(?:Error|Exception|Interrupt|Original|Group|\w{2}')\s*$")
# Which of several processes writes: by rank, by Ray's process, by MPI's.
_SOURCE: Final = re.compile(r"\b[Rr]ank[ _:=]?\d+|\bpid=\d+|\bdefault\d+(?=\])|\d+,\d+(?=\]<std)")
_SOURCE_WITHIN: Final = 80
_MAX_SHOWN: Final = 8
_MAX_PREFIX: Final = 160
_LETTERS: Final = {"E": "ERROR", "F": "FATAL", "I": "INFO", "W": "WARNING"}
_MESSAGE_KEYS: Final = ("message", "msg", "log", "textPayload", "event")
# Where structured loggers put the exception, beside a message that only says that there was one.
_CAUSE_KEYS: Final = ("error", "err", "exception", "exc", "exc_info", "stack_trace", "stacktrace", "traceback", "stack")
_TYPE_WORDS: Final = ("type", "class", "kind", "name")
_VALUE_WORDS: Final = ("message", "value", "msg", "reason", "detail")
_TRACE_WORDS: Final = ("stack_trace", "stacktrace", "traceback", "stack", "trace")
_LEVEL_KEYS: Final = ("level", "levelname", "severity", "lvl", "log.level")


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
    source: str = ""  # the rank or process that wrote it, where its prefix says so


def split(text: str) -> list[Bare]:
    """Return the lines of a log, bounded in number and width; progress bars are cut at each rewrite."""
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    shown = _shown_prefix(text)
    lines = dedent(text).split("\n")
    if len(lines) > MAX_LINES:
        lines = lines[:_HEAD] + lines[-(MAX_LINES - _HEAD) :]
    return [bare for line in lines for bare in _read(line[:100_000], shown)]


def _shown_prefix(text: str) -> re.Pattern[str] | None:
    """Return what stands before tracebacks and is none of the known prefixes, its numbers left open."""
    shapes: dict[str, None] = {}
    at = text.find(_SHOWN)
    while at >= 0 and len(shapes) < _MAX_SHOWN:
        prefix = text[text.rfind("\n", 0, at) + 1 : at]
        if 0 < len(prefix) <= _MAX_PREFIX and not (_NO_PREFIX.search(prefix) or _known(prefix)):
            bare = prefix.strip()
            shape = re.sub(r"\d+", r"\\d+", re.escape(bare))
            shapes[f"{shape}[ \t]{{0,{len(prefix) - len(prefix.rstrip())}}}"] = None
        at = text.find(_SHOWN, at + 1)
    return re.compile(rf"^\s*(?:{'|'.join(shapes)})") if shapes else None


def _known(prefix: str) -> bool:
    return not _bare(prefix + ".").text.strip().removesuffix(".")


def _without(prefix: re.Pattern[str] | None, line: str) -> str:
    return prefix.sub("", line, count=1) if prefix else line


def _read(whole: str, prefix: re.Pattern[str] | None) -> Iterator[Bare]:
    line = _without(prefix, whole)
    if line.startswith("{") and line.rstrip().endswith("}"):
        structured = _structured(line)
        if structured is not None:
            yield from structured
            return
    source = _SOURCE.search(whole, 0, _SOURCE_WITHIN) if _may_name_source(whole) else None
    bare = _bare(_narrow(line))
    yield Bare(bare.text, bare.level, source[0].lower()) if source else bare


def _may_name_source(line: str) -> bool:
    head = line[:_SOURCE_WITHIN]
    return "ank" in head or "pid=" in head or "<std" in head or "default" in head


def _structured(line: str) -> list[Bare] | None:
    """Return the lines inside a JSON log record, or None when it is not one."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    flat = dict(_flat(record))
    message = next((flat[k] for k in _MESSAGE_KEYS if k in flat), None)
    # Once each: a `stack_trace` is a trace of its own, and the trace of a `stack`.
    causes = dict.fromkeys(told for key in _CAUSE_KEYS for told in _told(flat, key))
    if message is None and not causes:
        return None
    level = next((flat[k].upper() for k in _LEVEL_KEYS if flat.get(k)), "")
    handled = record.get("handled") is True
    if handled:
        level = "WARNING"  # the job went on, however loud its logger was
    parts = [part for text in (message or "", *causes) for part in text.split("\n")[:_MAX_PARTS]]
    read = [_bare(_narrow(part)) for part in parts]
    return [Bare(bare.text, level if handled else bare.level or level) for bare in read]


def _flat(record: dict[str, object], *, before: str = "", depth: int = 3) -> Iterator[tuple[str, str]]:
    """Yield the texts of a record by dotted key, so that nested objects read like keys that are written so."""
    for key, value in record.items():
        if isinstance(value, dict) and depth:
            yield from _flat(value, before=f"{before}{key}.", depth=depth - 1)
        elif isinstance(value, str) or (key in _LEVEL_KEYS and value):
            yield f"{before}{key}", str(value)


def _told(flat: dict[str, str], key: str) -> list[str]:
    """Return what a record says about an exception under a key: its trace first, then its type and message."""
    def first(words: tuple[str, ...]) -> str:
        return next((flat[k] for w in words for k in (f"{key}.{w}", f"{key}_{w}") if k in flat), "")

    head = ": ".join(part for part in (first(_TYPE_WORDS), first(_VALUE_WORDS)) if part)
    return [text for text in (flat.get(key, ""), first(_TRACE_WORDS), head) if text]


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
            elif relay := _RELAY.match(shorter):
                level, shorter = _LETTERS[relay[1]], shorter[relay.end() :]
        if shorter == line:
            break
        line = shorter
    if glog := _GLOG.match(line):
        level = _LETTERS[glog[1]]  # what a library says of its own line, against whoever passed it on
    return Bare(line, level)
