"""The section `[[usage]]`: where the use of the pools is read from."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class UsageSource(BaseModel):
    """One place that knows what pipelines use.

    `processes` samples what this machine's own processes announced; `pools` then says which pool is its `cpu` and
    which its `ram`. `csv`, `kubernetes` and `slurm` read files that match `path`; `prometheus` asks `url` for `query`;
    `targets` counts the replicas that serve.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["processes", "csv", "prometheus", "kubernetes", "slurm", "targets"]
    name: str = ""
    path: str = ""
    url: str = ""
    query: str = ""  # of Prometheus: used, in the unit of `unit`; labels pipeline, kind, team, environment are read
    requested_query: str = ""
    limit_query: str = ""
    pool: str = ""  # where every sample of this source belongs, unless the source says
    pools: dict[str, str] = Field(default_factory=dict)  # the source's own name or resource, to the pool's name
    labels: dict[str, str] = Field(default_factory=dict)  # pipeline, kind, team, environment: the source's own labels
    unit: str = ""
    per_replica: float | None = Field(default=None, gt=0)  # of `targets`; else its environment's cpus

    @model_validator(mode="after")
    def _complete(self) -> "UsageSource":
        needs = {
            "processes": ("pools",), "csv": ("path",), "prometheus": ("url", "query"), "kubernetes": ("path", "pools"),
            "slurm": ("path", "pool"), "targets": ("pool",),
        }
        for key in needs[self.kind]:
            if not getattr(self, key):
                raise ValueError(f"a usage source of kind {self.kind} needs {key}: add it")
        return self
