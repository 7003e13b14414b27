"""The demo's `interlock.toml`: complete, commented, and the pattern for a team's own."""

import os
from datetime import date, timedelta
from typing import Final

import psutil

from services.demo.features import AIR_TIME, DELAY, FEATURES

FIRST_LINE: Final = "# Written by `interlock demo`. Start it again in this folder and it goes on with the same home."

_TEXT: Final = """{first_line}
# Relative paths are read from the folder of this file. Any value can be set by INTERLOCK_SECTION__KEY instead.

[home]
path = ".interlock"                            # everything the demo writes

[tracking]
uri = "sqlite:///.interlock/mlflow.db"         # a team writes http://mlflow:5000

[store]
url = "sqlite:///.interlock/ops.db"            # a team writes postgresql+psycopg://user@host/interlock

[engine]
url = "duckdb://"                              # counts the prediction log where it lies

# Will a flight from New York land more than 15 minutes late? Asked an hour before its scheduled departure.
[models.{delay}]
task = "binary"
log = ".interlock/predictions/{delay}"         # Parquet, one folder per day
labels = ".interlock/labels/{delay}"
label_maturity = "12h"                         # the longest flights land within it
owner = "punctuality"
target = "gateway"
baseline = "training"                          # the profile logged with the training run
features = {features}
slices = ["origin", "carrier"]
cyclic = true                                  # Mondays are not Sundays: compare with the same hours of the week
time_zone = "America/New_York"                 # ... by the clock that the flights keep

# How many minutes will the same flight be in the air?
[models.{air}]
task = "regression"
log = ".interlock/predictions/{air}"
labels = ".interlock/labels/{air}"
label_maturity = "12h"
owner = "planning"
target = "gateway"
baseline = "training"
features = {features}
slices = ["origin", "carrier"]
cyclic = true
time_zone = "America/New_York"

[environments.production]
target = "gateway"

[environments.staging]
target = "gateway"

# How many people sign. The proposer and the last editor never count.
[[approvals]]
model = "*"
environment = "production"
start = 2
increase = 1
promote = 2

[[approvals]]
model = "*"
environment = "staging"
start = 2
increase = 0
promote = 1

# This machine: what it has is the limit, what the demo's own processes take is the use.
[[pools]]
name = "cores"
resource = "cpu"
limit = {cores}
unit = "cores"

[[pools]]
name = "memory"
resource = "ram"
limit = {memory}
unit = "GiB"

[[usage]]
kind = "processes"
pools = {{ cpu = "cores", ram = "memory" }}

# Assumed, so that the report has a cost: about what a cloud asks for one core, and one GiB, per hour. Write your own.
[[prices]]
hardware = "cores"
per_hour = 0.04
since = "2013-01-01"

[[prices]]
hardware = "memory"
per_hour = 0.005
since = "2013-01-01"

[[pipelines]]
name = "flights-ingest"
kind = "data"
pool = "cores"
schedule = "0 7 * * *"
objective = "10m"
owner = "data-platform"
team = "data-platform"

[[pipelines]]
name = "{delay}-training"
kind = "training"
pool = "cores"
schedule = "0 7 1 * *"
objective = "30m"
owner = "punctuality"
team = "punctuality"

[[pipelines]]
name = "{delay}-refresh"
kind = "training"
pool = "cores"
schedule = "0 7 * * *"
objective = "15m"
owner = "punctuality"
team = "punctuality"

[[pipelines]]
name = "{delay}-longrun"
kind = "training"
pool = "cores"
objective = "24h"
owner = "punctuality"
team = "punctuality"

[[pipelines]]
name = "{air}-training"
kind = "training"
pool = "cores"
schedule = "0 7 1 * *"
objective = "30m"
owner = "planning"
team = "planning"

[[pipelines]]
name = "{air}-refresh"
kind = "training"
pool = "cores"
schedule = "0 7 * * *"
objective = "15m"
owner = "planning"
team = "planning"

[[pipelines]]
name = "delay-experiments"
kind = "experiment"
pool = "cores"
owner = "punctuality"
team = "punctuality"

[[pipelines]]
name = "{delay}-validation"
kind = "validation"
pool = "cores"
objective = "15m"
owner = "punctuality"
team = "punctuality"

[[pipelines]]
name = "{air}-validation"
kind = "validation"
pool = "cores"
objective = "15m"
owner = "planning"
team = "planning"

[[pipelines]]
name = "gateway"                               # serves both models
kind = "serving"
pool = "cores"
request = 0.75
owner = "platform"
team = "platform"

[[pipelines]]
name = "interlock"                             # monitor, pages and replay
kind = "serving"
pool = "cores"
request = 0.25
owner = "platform"
team = "platform"

# What the data and validation pipelines write.
[datasets.flights]
path = ".interlock/data/flights"
role = "data"
model = "{delay}"
partition = "date"

[datasets.{delay}-training]
path = ".interlock/data/{delay}-training"
role = "train"
model = "{delay}"
partition = "date"
label = "delayed"

[datasets.{delay}-test]
path = ".interlock/data/{delay}-test"
role = "test"
model = "{delay}"
partition = "date"
label = "delayed"

[datasets.{air}-test]
path = ".interlock/data/{air}-test"
role = "test"
model = "{air}"
partition = "date"
label = "air_time"

[on_call]
time_zone = "America/New_York"
handover = "Mon 09:00"
start = "{week}"
people = [
  {{ name = "On-call engineer", subject = "on-call", issuer = "demo" }},
  {{ name = "Relief engineer" }},
]

[monitor]
interval = "30s"

[gateway]
host = "127.0.0.1"
port = {gateway_port}

[console]
host = "127.0.0.1"                             # the persona picker refuses to start on any other address
port = {port}
sign_in = "demo"
time_zone = "America/New_York"                 # the flights leave from there

[notifications]
urls = []                                      # Apprise addresses; none, so alerts stay on the pages
"""


def configuration(*, port: int, gateway_port: int, today: date) -> str:
    """Return the settings file of a demo on this machine, whose visitor is on call in the week of `today`."""
    week = today - timedelta(days=today.weekday())
    features = "[\n" + "".join(f'  "{name}",\n' for name in FEATURES) + "]"
    return _TEXT.format(
        first_line=FIRST_LINE, delay=DELAY, air=AIR_TIME, features=features, cores=os.cpu_count() or 1,
        memory=round(psutil.virtual_memory().total / 2**30, 1), port=port, gateway_port=gateway_port, week=week,
    )
