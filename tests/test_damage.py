"""Damaged files of the core's formats, each in a process of its own: ``damaged_files.py`` says how.

NumPy's are in ``test_numpy_damage.py``; text, time series and the plugins have tests of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CASES = 2000
SCRIPT = Path(__file__).with_name("damaged_files.py")


@pytest.mark.parametrize("name", ["parquet", "arrow", "csv", "json"])
def test_damage_is_an_error_or_what_another_reader_finds(name, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, name, str(CASES), tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the case is in {tmp_path}: {done.stderr[-2000:]}"
    tally = json.loads(done.stdout)
    assert sum(tally.values()) >= CASES
    assert tally["refused"] > CASES // 4
    assert tally["read"] > CASES // 100
