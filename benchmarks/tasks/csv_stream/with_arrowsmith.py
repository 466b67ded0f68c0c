"""Sum and count each column of a CSV file: arrowsmith, batch by batch."""

from __future__ import annotations

import sys

import arrowsmith  # before pyarrow, so that it can choose the allocator

from consumer import print_facts  # isort: skip

print_facts(arrowsmith.open(sys.argv[1]).batches())
