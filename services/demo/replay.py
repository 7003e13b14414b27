"""Replay flights into the running gateway: production at its real pace, staging fast and labelled so.

*Production*: every flight is asked about an hour before it leaves, and its label is written when it has landed.
*Staging*: held-out flights, about 20 a second, only while somebody needs them (a release is active in staging, or the
file `replay-staging` lies in the home); each label follows a few seconds after its answer. Those requests are named
`fast-…`: their pace and their times are not those of the flights.
"""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pandas as pd

from services import bootstrap
from services.adapters import parquet_writer
from services.demo import faults, history, home
from services.demo.features import FEATURES, MODELS
from services.demo.flights import data_folder, read_journeys
from services.demo.staging import models_in_staging
from services.errors import OpsError
from services.settings import Settings, load

RATE: Final = 20.0  # requests a second into staging
LABEL_DELAY: Final = timedelta(seconds=5)
LABEL_EVERY_S: Final = 10.0
LIVE_TURN_S: Final = 2.0
CURSOR: Final = "replay.json"
ASKED: Final = "replay-staging"

_log = logging.getLogger("replay")


@dataclass(kw_only=True)
class Live:
    """The replay into production: what has been asked and labelled is kept in a file of the home."""

    root: Path
    journeys: pd.DataFrame
    ask: Callable[[str, str, pd.DataFrame, Sequence[str]], bool]
    cursor: dict[str, datetime]

    def turn(self, now: datetime) -> tuple[int, int]:
        """Ask about every flight whose time has come and label what has landed; return how many of each.

        What came due while nothing ran is not asked about afterwards: production was silent then, and shows it.
        """
        asked = self._between("predict_at", max(self.cursor["asked"], now - timedelta(minutes=1)), now)
        for place in range(len(asked)):
            row = asked.iloc[place : place + 1]
            for model in MODELS:
                self.ask("production", model, row, [history.request_id(int(row["row"].iloc[0]))])
        landed = self._between("known_at", self.cursor["labelled"], now)
        for model in MODELS:
            rows = history.label_table(model, landed, [history.request_id(row) for row in landed["row"]],
                                       landed["known_at"])
            parquet_writer.append(self.root / "labels" / model, rows, time_column="label_ts", stem="live")
        self.cursor.update(asked=now, labelled=now)
        if len(asked) or len(landed):
            _keep(self.root / CURSOR, self.cursor)
        return len(asked), len(landed)

    def _between(self, column: str, start: datetime, end: datetime) -> pd.DataFrame:
        return self.journeys[(self.journeys[column] > start) & (self.journeys[column] <= end)]


@dataclass(kw_only=True)
class Fast:
    """The replay into staging, and the labels it still owes."""

    root: Path
    journeys: pd.DataFrame
    ask: Callable[[str, str, pd.DataFrame, Sequence[str]], bool]
    name: str
    sent: int = 0
    owed: list[tuple[str, pd.DataFrame, str, datetime]] = field(default_factory=list)

    def one(self, model: str, now: datetime) -> None:
        """Ask about the next held-out flight."""
        row = self.journeys.iloc[self.sent % len(self.journeys) :][:1]
        request = f"fast-{self.name}-{self.sent:07d}"
        self.sent += 1
        if self.ask("staging", model, row, [request]):
            self.owed.append((model, row, request, now + LABEL_DELAY))

    def label(self, now: datetime) -> int:
        """Write the labels that are due; return how many."""
        due = [owed for owed in self.owed if owed[3] <= now]
        self.owed = [owed for owed in self.owed if owed[3] > now]
        for model in {owed[0] for owed in due}:
            mine = [owed for owed in due if owed[0] == model]
            rows = history.label_table(model, pd.concat([row for _, row, _, _ in mine]), [r for _, _, r, _ in mine],
                                       pd.to_datetime([at for _, _, _, at in mine], utc=True))
            parquet_writer.append(self.root / "labels" / model, rows, time_column="label_ts", stem="fast")
        return len(due)


def payload(rows: pd.DataFrame, request_ids: Sequence[str]) -> dict[str, Any]:
    """Return the body of an invocation: MLflow's protocol, and the ids by which labels and splits find the rows."""
    cells = rows[list(FEATURES)].astype(object)
    data = cells.where(cells.notna(), None).to_numpy().tolist()
    return {"dataframe_split": {"columns": list(FEATURES), "data": data},
            "interlock": {"request_ids": list(request_ids), "entity_ids": rows["flight_key"].tolist()}}


class Asker:
    """Sends rows to the gateway, and says once when it does not answer and once when it does again."""

    def __init__(self, address: str, root: Path) -> None:
        """Ask the gateway at `address`; a fault of the feed is asked for in the home `root`."""
        self._root = root
        self._client = httpx.Client(base_url=address, timeout=10)
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()

    def __call__(self, environment: str, model: str, rows: pd.DataFrame, request_ids: Sequence[str]) -> bool:
        """Return whether the rows were answered."""
        place = f"{environment}/{model}"
        sent = faults.spoil(rows, faults.current(self._root, now=datetime.now(UTC)))
        try:
            answer = self._client.post(f"/{place}/invocations", json=payload(sent, request_ids))
            fault = "" if answer.is_success else f"{answer.status_code} {answer.text[:200]}"
        except httpx.HTTPError as error:
            fault = f"{type(error).__name__}: {error}"
        with self._lock:
            if fault != self._said.get(place, ""):
                self._said[place] = fault
                _log.warning("%s: %s", place, fault or "answers again")
        return not fault


def main() -> None:
    """Replay until told to stop; after the settings file a rate may be named, in requests a second into staging."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = load(sys.argv[1])
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else RATE
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    root = settings.home_path
    marker = home.marker_of(root)
    if marker is None:
        raise SystemExit(f"replay: {root} holds no complete seed: run interlock demo")
    journeys = read_journeys(data_folder(), weeks=int(marker["weeks"]))
    ask = Asker(f"http://{settings.gateway.host}:{settings.gateway.port}", root)
    seeded = datetime.fromisoformat(marker["seeded_at"])
    live = Live(root=root, journeys=journeys[journeys["known_at"] > seeded], ask=ask,
                cursor=_cursor(root / CURSOR, seeded))
    held_out = journeys[journeys["held_out"] & (journeys["known_at"] <= seeded)].tail(20_000)
    fast = Fast(root=root, journeys=held_out.sample(frac=1, random_state=7), ask=ask, name=f"{int(time.time()):x}")
    staging = threading.Thread(target=_replay_fast, args=(fast, settings, stop, rate), daemon=True)
    staging.start()
    while not stop.wait(LIVE_TURN_S):
        asked, landed = live.turn(datetime.now(UTC))
        if asked or landed:
            _log.info("production: %d flights asked about, %d labelled", asked, landed)
    staging.join(5)


def _replay_fast(fast: Fast, settings: Settings, stop: threading.Event, rate: float) -> None:
    """Send into staging while it is wanted; who wants it is looked up every two seconds."""
    services = bootstrap.build(settings)
    wanted: list[str] = []
    looked = labelled = float("-inf")
    while not stop.wait(1 / rate):
        clock = time.monotonic()
        if clock - looked > 2:
            looked, found = clock, _wanted(services, fast.root)
            if found != wanted:
                wanted = found
                _log.info("staging, replayed fast: %s", ", ".join(wanted) or "nobody needs it")
        if wanted:
            fast.one(wanted[fast.sent % len(wanted)], datetime.now(UTC))
        if clock - labelled > LABEL_EVERY_S:
            labelled = clock
            fast.label(datetime.now(UTC))


def _wanted(services: bootstrap.Services, root: Path) -> list[str]:
    """Return the models that need traffic in staging: a fault without traffic would not show for hours."""
    if (root / ASKED).exists() or faults.current(root, now=datetime.now(UTC)):
        return list(MODELS)
    try:
        return [model for model in MODELS if model in models_in_staging(services)]
    except OpsError as error:
        _log.warning("cannot tell which releases are active: %s", error)
        return []


def _cursor(file: Path, seeded: datetime) -> dict[str, datetime]:
    try:
        return {key: datetime.fromisoformat(text) for key, text in json.loads(file.read_text("utf-8")).items()}
    except (OSError, ValueError):
        return {"asked": seeded, "labelled": seeded}


def _keep(file: Path, cursor: dict[str, datetime]) -> None:
    hidden = file.with_name(f".{file.name}.tmp")
    hidden.write_text(json.dumps({key: moment.isoformat() for key, moment in cursor.items()}), encoding="utf-8")
    hidden.rename(file)


if __name__ == "__main__":
    main()
