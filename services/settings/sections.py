"""The sections of `interlock.toml`: every key, its default and what it means.

What is watched and who decides have modules of their own; reading the file and the environment is in load.py.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from services.settings.people import (
    ApprovalPolicy,
    Environment,
    FreezeWindow,
    Notifications,
    Oidc,
    OnCall,
    QuotaReport,
    RoleGrant,
    RuleSetting,
    Runbooks,
)
from services.settings.section import Section, span
from services.settings.usage import UsageSource
from services.settings.watched import Columns, Dataset, Model, PipelineSetting, Pool, Price

__all__ = [
    "ApprovalPolicy",
    "Columns",
    "Console",
    "Dataset",
    "Engine",
    "Environment",
    "FreezeWindow",
    "Gateway",
    "Home",
    "Model",
    "Monitor",
    "Notifications",
    "Oidc",
    "OnCall",
    "PipelineSetting",
    "Pool",
    "Price",
    "QuotaReport",
    "Retention",
    "RoleGrant",
    "RuleSetting",
    "Runbooks",
    "Settings",
    "Store",
    "Tracking",
]


class Home(Section):
    """Where the embedded default writes."""

    path: str = ".interlock"


class Tracking(Section):
    """The MLflow tracking server, and the registry where it is another."""

    uri: str = ""
    registry_uri: str = ""
    ui_url: str = ""
    sql: str = ""  # the tracking server's own database, read-only: a full reading in seconds, past its permissions


class Store(Section):
    """The ops store."""

    url: str = ""


class Engine(Section):
    """The engine that counts the prediction log where it lies."""

    url: str = "duckdb://"


class Retention(Section):
    """How long things are kept; the audit log is never pruned."""

    logs: str = "400d"
    profiles: str = "400d"
    samples: str = "400d"
    notifications: str = "90d"

    _spans = field_validator("logs", "profiles", "samples", "notifications")(span)


class Monitor(Section):
    """How often the monitor looks."""

    interval: str = "30s"
    outbox_interval_ms: int = Field(default=250, ge=20, le=60_000)
    lease: str = "15s"
    dead_man_url: str = ""
    metrics_port: int = 0  # on loopback

    _spans = field_validator("interval", "lease")(span)


class Gateway(Section):
    """The bundled serving process."""

    host: str = "127.0.0.1"
    port: int = Field(default=8601, ge=0, le=65_535)
    hosts: list[str] = Field(default_factory=list)  # names under which it is reached; on loopback others are refused
    flush: str = "1s"
    ack: Literal["memory", "disk"] = "memory"
    dead_man: str = "60s"
    timeout_ms: int = Field(default=2_000, ge=1)
    queue: int = Field(default=512, ge=1)
    max_body_mb: float = Field(default=8.0, gt=0)
    workers: int = Field(default=1, ge=1)
    worker_memory_mb: float = Field(default=4_096.0, gt=0)


class Console(Section):
    """The web pages."""

    host: str = "127.0.0.1"
    port: int = Field(default=8501, ge=0, le=65_535)
    sign_in: Literal["demo", "oidc", "header", "none"] = "none"
    header: str = "X-Auth-Request-Email"
    groups_header: str = ""  # of the same proxy: group names, separated by commas
    session: str = "8h"  # how long a sign-in counts
    hosts: list[str] = Field(default_factory=list)  # names under which the console is reached; others are refused
    oidc: Oidc = Oidc()
    time_zone: str = ""

    _spans = field_validator("session")(span)


class Settings(Section):
    """Everything that can be set. Read once at start; never changed while a process runs."""

    home: Home = Home()
    tracking: Tracking = Tracking()
    store: Store = Store()
    engine: Engine = Engine()
    models: dict[str, Model] = Field(default_factory=dict)
    pools: list[Pool] = Field(default_factory=list)
    usage: list[UsageSource] = Field(default_factory=list)
    approvals: list[ApprovalPolicy] = Field(default_factory=lambda: [ApprovalPolicy()])
    rules: list[RuleSetting] = Field(default_factory=list)
    datasets: dict[str, Dataset] = Field(default_factory=dict)
    pipelines: list[PipelineSetting] = Field(default_factory=list)
    on_call: OnCall = OnCall()
    environments: dict[str, Environment] = Field(
        default_factory=lambda: {"staging": Environment(), "production": Environment()}
    )
    freeze: list[FreezeWindow] = Field(default_factory=list)
    roles: list[RoleGrant] = Field(default_factory=list)
    prices: list[Price] = Field(default_factory=list)
    runbooks: Runbooks = Runbooks()
    retention: Retention = Retention()
    monitor: Monitor = Monitor()
    gateway: Gateway = Gateway()
    console: Console = Console()
    notifications: Notifications = Notifications()
    report: QuotaReport = QuotaReport()
    folder: str = Field(default="", exclude=True)  # where the file lies; relative paths are read from here

    @model_validator(mode="after")
    def _names_agree(self) -> "Settings":
        names = [pool.name for pool in self.pools]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"pools: {', '.join(sorted(twice))} is named twice; give each pool a name of its own")
        for p in self.pipelines:
            if unknown := [name for name in p.also if name not in names]:
                raise ValueError(f"pipelines: {p.name} names pool {unknown[0]} in also, which is not in [[pools]]")
        return self

    def resolve(self, path: str) -> Path:
        """Return a path of the settings as an absolute one."""
        return (Path(self.folder or ".") / path).absolute()

    def log_root(self, model: str) -> Path:
        """Return the folder that a model's predictions are read from as Parquet: the log, or its mirror."""
        setting = self.models[model]
        return self.home_path / "mirror" / model if setting.mirrored else self.resolve(setting.log)

    def label_root(self, model: str) -> Path | None:
        """Return the folder that a model's labels are read from as Parquet; None where it has none."""
        setting = self.models[model]
        if not setting.labels:
            return None
        return self.home_path / "mirror" / f"{model}-labels" if setting.labels_mirrored else self.resolve(
            setting.labels)

    @property
    def home_path(self) -> Path:
        """The folder of the embedded default."""
        return self.resolve(self.home.path)

    @property
    def store_url(self) -> str:
        """The ops store's SQLAlchemy address."""
        return _absolute_sqlite(self, self.store.url or f"sqlite:///{self.home.path}/ops.db")

    @property
    def tracking_uri(self) -> str:
        """The MLflow tracking address."""
        return _absolute_sqlite(self, self.tracking.uri or f"sqlite:///{self.home.path}/mlflow.db")

    @property
    def tracking_named(self) -> bool:
        """Whether anybody named a tracking server, or one is there where none is named."""
        named = self.tracking.uri or self.tracking.sql or self.tracking.registry_uri
        return bool(named) or (self.home_path / "mlflow.db").is_file()


def _absolute_sqlite(settings: Settings, url: str) -> str:
    scheme, separator, path = url.partition(":///")
    if separator and scheme.startswith("sqlite") and path and path != ":memory:" and not path.startswith("/"):
        return f"{scheme}:///{settings.resolve(path)}"
    return url
