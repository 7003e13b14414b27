"""A home for the browser that needs no training: measurements in every state, with names that try to be markup."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from services import bootstrap
from services.adapters.house_tables import SourceState
from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow
from services.settings import load

HOSTILE = (
    '<img src="http://evil.example/1.png" onerror="document.title=1">',
    "![x](http://evil.example/2.png)",
    "[click](javascript:alert(1)) http://evil.example/3 www.evil.example",
    ":red[shout] :material/bolt: $x^2$ `code` **bold** <script>window.hacked=1</script>",
    "\u202egnp.exe\u2066 | a | b |\n# heading",
    '=HYPERLINK("http://evil.example/4","x")',
)

SETTINGS = """
[home]
path = "home"
[console]
sign_in = "demo"
[models.flight-delay]
task = "binary"
log = "home/predictions/flight-delay"
labels = "home/labels/flight-delay"
[models.air-time]
task = "regression"
log = "home/predictions/air-time"
[[pools]]
name = "machine-cpu"
resource = "cpu"
limit = 2
"""


def seed(folder: Path) -> Path:
    """Write settings and a store with measurements; return the settings file."""
    file = folder / "interlock.toml"
    file.write_text(SETTINGS)
    services = bootstrap.build(load(str(file)))
    services.db.migrate()
    now = datetime.now(UTC)
    services.measurements.save([
        _measured(now, 21, "flight-delay", Verdict.FAIL, "latency p95 412 ms, limit 250; began when v12 took 25%"),
        _measured(now, 9, "machine-cpu", Verdict.WARN, "90% of 2 cores used, limit near", pipeline=Pipeline.QUOTA,
                  environment=""),
        _measured(now, 120, "air-time", Verdict.INCONCLUSIVE, "labels 31% mature, need 60%", why=Why.LATE),
        _measured(now, 3, "mlflow", Verdict.ERROR, "MLflow at http://127.0.0.1:5000 did not answer in 10 s",
                  pipeline=Pipeline.MONITOR, environment=""),
        _measured(now, 2, "flight-delay", Verdict.PASS, "3 runs this week, median 41 s", pipeline=Pipeline.TRAINING),
        *(_measured(now, 30, text, Verdict.WARN, f"category {text} is new", column=text) for text in HOSTILE),
    ])
    services.sources.save(SourceState(name="step:runs", as_of=now, tried_at=now, ok=True, took_s=0.4,
                                      message="4 runs read"))
    services.sources.save(SourceState(name="step:profiles", as_of=None, tried_at=now, ok=False, took_s=0.1,
                                      message=f"file {HOSTILE[0]} cannot be read: not Parquet"))
    return file


def _measured(now, minutes, subject, verdict, reason, *, pipeline=Pipeline.SERVING, environment="production",
              why=Why.NONE, column=""):
    at = now - timedelta(minutes=minutes)
    return Measurement(name="latency_p95_ms", pipeline=pipeline, subject=subject, at=at, verdict=verdict,
                       reason=reason, window=TimeWindow(at - timedelta(hours=1), at), environment=environment,
                       why=why, column=column, value=1.0, n=50)
