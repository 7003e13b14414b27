"""What is watched: models and their logs, data sets, pools, pipelines, prices."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from services.settings.section import Section, span, zone


class Columns(Section):
    """How a log that someone else writes is mapped onto the contract of `services/predictions/schema.py`."""

    request_id: str = "request_id"
    timestamp: str = "ts"
    version: str = "model_version"
    variant: str = "variant"
    environment: str = "environment"
    entity_id: str = "entity_id"
    latency_ms: str = "latency_ms"
    status: str = "status"
    prediction: str = "prediction"
    score: str = "score"


class Model(Section):
    """One registered model that is watched."""

    task: Literal["binary", "multiclass", "regression"]
    log: str
    labels: str = ""
    format: Literal["parquet", "json", "csv", "databricks", "tfrecord", "table"] = "parquet"
    label_maturity: str = "24h"
    owner: str = ""
    target: str = "gateway"
    baseline: str = "training"
    features: list[str] = Field(default_factory=list)
    sensitive: list[str] = Field(default_factory=list)
    slices: list[str] = Field(default_factory=list)
    cyclic: bool = False
    time_zone: str = "UTC"
    probe: str = ""
    columns: Columns = Columns()

    _zone = field_validator("time_zone")(zone)
    _maturity = field_validator("label_maturity")(span)

    @model_validator(mode="after")
    def _slices_show_nothing_sensitive(self) -> "Model":
        if both := sorted(set(self.slices) & set(self.sensitive)):
            raise ValueError(f"{both[0]} is sensitive and cannot be sliced by: a slice is named by its values")
        return self

    @property
    def remote(self) -> bool:
        """Whether the log lies at an address, such as `s3://bucket/log`, instead of a folder."""
        return "://" in self.log

    @property
    def mirrored(self) -> bool:
        """Whether the log is read from Parquet copies below the home, because it is no folder of Parquet files."""
        return self.format != "table" and (self.format != "parquet" or self.remote)

    @property
    def labels_format(self) -> Literal["parquet", "json", "csv"]:
        """How the label log is written: as text where the predictions are, else as Parquet."""
        return "json" if self.format == "json" else "csv" if self.format == "csv" else "parquet"

    @property
    def labels_mirrored(self) -> bool:
        """Whether the labels are read from Parquet copies as well."""
        return self.labels_format != "parquet" or "://" in self.labels


class Dataset(Section):
    """A data set that the data or the validation pipeline writes."""

    path: str
    role: Literal["train", "data", "test", "label"]
    model: str = ""
    partition: str = ""
    label: str = ""


class Pool(Section):
    """A shared pool of one resource and its limit."""

    name: str
    resource: Literal["cpu", "ram", "gpu", "tpu"]
    limit: float = Field(gt=0)
    unit: str = ""
    model: str = ""
    region: str = ""
    kind: Literal["capacity", "budget"] = "capacity"
    period: str = ""
    limits: list[dict[str, Any]] = Field(default_factory=list)


class PipelineSetting(Section):
    """What the fit check, the objectives and the advisor need to know about a pipeline."""

    name: str
    kind: Literal["data", "training", "validation", "serving", "experiment"]
    pool: str = ""
    schedule: str = ""
    objective: str = ""
    environment: str = "production"
    owner: str = ""
    team: str = ""
    request: float | None = None
    also: list[str] = Field(default_factory=list)  # further pools of its resource that it holds at once on purpose


class Price(Section):
    """A dated hardware price per unit and hour."""

    hardware: str
    per_hour: float = Field(ge=0)
    since: str
    memory_gib: float | None = None
    currency: str = "USD"
