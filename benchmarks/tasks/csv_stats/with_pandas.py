"""What the columns of a CSV file hold: describe() of pandas, which loads the whole file."""

from __future__ import annotations

import json
import sys

import pandas as pd

frame = pd.read_csv(sys.argv[1], parse_dates=["ts"], date_format="%Y-%m-%d %H:%M:%S")
found = frame.describe(include="all")
columns = {
    name: {
        "count": int(found[name]["count"]),
        "min": found[name]["min"],
        "max": found[name]["max"],
    }
    for name in found.columns
}
print(json.dumps({"rows": len(frame), "columns": columns}, default=str))
