"""Sum and count each column of a CSV file: arrowsmith, batch by batch."""

from __future__ import annotations

import os
import sys

# Read by pyarrow when it is first imported; the command line interface sets it by itself.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")

from consumer import print_facts

import arrowsmith

print_facts(arrowsmith.open(sys.argv[1]).batches())
