"""What the demo's two models are told, and what they are asked.

Every feature is known an hour before the scheduled departure: the timetable, and the last full hour's weather at the
origin. What happened to the flight stays on the other side, in `OUTCOMES`.
"""

from datetime import timedelta
from typing import Final

CATEGORICAL: Final = ("carrier", "origin", "dest")
TIMETABLE: Final = ("dep_hour", "day_of_week", "distance", "sched_minutes")
WEATHER: Final = (
    "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
)
NUMERIC: Final = TIMETABLE + WEATHER
FEATURES: Final = CATEGORICAL + NUMERIC

# Known only once the flight is over (or called off); none of these may be a feature.
OUTCOMES: Final = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "cancelled", "diverted", "known_at")

LEAD: Final = timedelta(hours=1)  # a prediction is made this long before the scheduled departure
LATE_MINUTES: Final = 15  # a flight that lands more than this after its time is late

DELAY: Final = "flight-delay"
AIR_TIME: Final = "air-time"
MODELS: Final = (DELAY, AIR_TIME)
LABEL: Final = {DELAY: "delayed", AIR_TIME: "air_time"}  # the label's column in the data sets
