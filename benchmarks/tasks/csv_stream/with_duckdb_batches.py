"""Sum and count each column of a CSV file: DuckDB as a source of Arrow record batches."""

from __future__ import annotations

import sys

import duckdb
from consumer import print_facts

print_facts(duckdb.read_csv(sys.argv[1]).to_arrow_reader(65_536))
