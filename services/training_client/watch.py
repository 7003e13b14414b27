"""Watch a training process from inside: beat, keep the last lines, and notice how it ends.

Installed once per process. SIGKILL and `os._exit` cannot be noticed; then the heartbeat stops, and that is the sign.
"""

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn, TextIO

from services.training_client import record

TAIL_LINES: Final = 200
BEAT_S: Final = 60.0


class Terminated(SystemExit):
    """SIGTERM, raised where the job stands, so that its `finally` blocks and ours still run."""

    def __init__(self) -> None:
        super().__init__(143)


class Tail(logging.Handler):
    """The last lines that were logged, or printed through `Tee`."""

    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self.lines: deque[str] = deque(maxlen=TAIL_LINES)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record; a record that cannot be formatted is dropped, never raised."""
        try:
            self.lines.extend(self.format(record).splitlines())
        except Exception:  # noqa: BLE001 -- logging's own rule: a handler does not break the program
            self.handleError(record)


class Tee:
    """A stream that also keeps what is written; everything else is the stream's own."""

    def __init__(self, stream: TextIO, lines: deque[str]) -> None:
        self._stream, self._lines, self._part = stream, lines, ""

    def write(self, text: str) -> int:
        """Write through, keeping whole lines."""
        *whole, self._part = (self._part + text).split("\n")
        self._lines.extend(line.rsplit("\r", 1)[-1] for line in whole)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        """Return the stream's own attribute."""
        return getattr(self._stream, name)


class Watch:
    """The process's one watch."""

    def __init__(self) -> None:
        self.tail = Tail()
        self.exit_code: int | None = None
        self.error: BaseException | None = None
        self._pid = os.getpid()
        self._beating = False
        self._recorded: set[str] = set()

    def install(self) -> None:
        """Hook into the ways a process can end, keeping whatever was there before."""
        logging.getLogger().addHandler(self.tail)
        self._hook_exceptions()
        self._hook_exit()
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._on_sigterm)
        # Registered after MLflow's own, hence run before it ends the runs that are still open.
        atexit.register(self._at_exit)

    def beat(self, run_id: str, *, every_s: float = BEAT_S) -> threading.Event:
        """Beat for a run until the returned event is set."""
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(run_id, every_s, done), daemon=True)
        beating.name = "interlock-heartbeat"
        beating.start()
        return done

    def beat_whatever_runs(self) -> None:
        """Beat for every run that any thread of this process has open, for runs that were started without us."""
        if self._beating:
            return
        self._beating = True
        threading.Thread(target=self._beat_all, name="interlock-heartbeat", daemon=True).start()

    def recorded(self, run_id: str) -> None:
        """Remember that a run's ending was written down, so that it is not written twice."""
        self._recorded.add(run_id)

    def _beat(self, run_id: str, every_s: float, done: threading.Event) -> None:
        while not done.wait(every_s):
            record.safely("the heartbeat", lambda: record.tag(run_id, {"ops.heartbeat": str(record.now_ms())}))

    def _beat_all(self) -> None:
        while True:
            time.sleep(BEAT_S)
            for run_id in _open_in_any_thread():
                record.safely("the heartbeat", partial(record.tag, run_id, {"ops.heartbeat": str(record.now_ms())}))

    def _hook_exceptions(self) -> None:
        before = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self.error = error
            before(kind, error, trace)

        sys.excepthook = hook

    def _hook_exit(self) -> None:
        before = sys.exit

        def leave(status: Any = None, /) -> NoReturn:
            self.exit_code = status if isinstance(status, int) else 0 if status is None else 1
            before(status)

        sys.exit = leave

    def _on_sigterm(self, _: int, __: FrameType | None) -> None:
        self.exit_code = 143
        raise Terminated

    def _at_exit(self) -> None:
        # A forked child inherits the hooks but not the runs: they are its parent's to end.
        if os.getpid() != self._pid or not (self.error or self.exit_code is not None):
            return
        active, last = _open_runs(), _last_run()
        for run_id in {*active, *([last] if last else [])} - self._recorded:
            record.safely("how the run ended", partial(self._write, run_id, is_open=run_id in active))

    def _write(self, run_id: str, *, is_open: bool) -> None:
        if not is_open and record.client().get_run(run_id).info.status != "FAILED":
            return  # it ended well before the process did otherwise
        tail = list(self.tail.lines)
        if self.error is not None:
            record.of_exception(run_id, self.error, tail=tail)
        elif self.exit_code == 143:
            record.failure(run_id, kind="SIGTERM", message="the process was told to stop", tail=tail, exit_code=143)
        elif self.exit_code:
            record.failure(run_id, kind="SystemExit", message=f"sys.exit({self.exit_code})", tail=tail,
                           exit_code=self.exit_code)
        else:
            record.tag(run_id, {"ops.exit_code": "0"})
        if is_open and self.exit_code == 143:
            import mlflow

            mlflow.end_run("KILLED")


def _open_runs() -> list[str]:
    import mlflow

    run = mlflow.active_run()
    return [run.info.run_id] if run else []


def _open_in_any_thread() -> list[str]:
    from mlflow.tracking import fluent

    # MLflow tells a thread only of its own runs; the list of all threads' is internal, so it may be absent one day.
    stacks: dict[int, list[Any]] = getattr(getattr(fluent, "_active_run_stack", None), "get_all_thread_values", dict)()
    return [run.info.run_id for stack in list(stacks.values()) for run in list(stack)]


def _last_run() -> str:
    import mlflow

    run = mlflow.last_active_run()
    return run.info.run_id if run else ""


_watch: list[Watch] = []


def watch() -> Watch:
    """Return the process's watch, installed on first use; a forked child gets one of its own."""
    if not _watch or _watch[-1]._pid != os.getpid():  # noqa: SLF001 -- the same module
        _watch.append(Watch())
        _watch[-1].install()
    return _watch[-1]
