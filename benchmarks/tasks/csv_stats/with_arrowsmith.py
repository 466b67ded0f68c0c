"""What the columns of a CSV file hold: arrowsmith.

Beside what the others find: most frequent values, text lengths, a histogram, more quantiles.
"""

from __future__ import annotations

import json
import sys

import arrowsmith

found = arrowsmith.open(sys.argv[1]).stats()
columns = {
    column.name: {"count": column.count, "min": column.min, "max": column.max}
    for column in found.columns
}
print(json.dumps({"rows": found.rows, "columns": columns}, default=str))
