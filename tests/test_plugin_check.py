"""``arrowsmith plugin check``: installed plugins, good and bad, without their test suites."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arrowsmith.testing.generated import ROWS, generated_columns
from hostile import declare, install

TESTS = Path(__file__).parent
LOG = '192.0.2.1 - - [01/Mar/2024:10:00:0{} +0100] "GET /{} HTTP/1.1" 200 5 "-" "x"\n'


def check(
    name: str, *args: str, site: Path | None = None, **env: str
) -> subprocess.CompletedProcess:
    path = {"PYTHONPATH": str(site)} if site is not None else {}
    return subprocess.run(
        [sys.executable, "-m", "arrowsmith", "plugin", "check", name, *args],
        env={**os.environ, **path, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The formats with a defect each, installed."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(TESTS / "wrong_formats", site / "wrong_formats")
    declare(site, "wrong-formats", "3.0", {"numbers": "wrong_formats"})
    return site


def test_a_core_format_keeps_the_contract() -> None:
    done = check("arrow")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "ok: reader arrow: test_residency_is_as_declared" in lines
    assert "ok: sink arrow: test_kill_leaves_the_old_file" in lines
    assert "ok: sink arrow: round trip of the type list<item: int64>" in lines
    assert " 0 failed, " in lines[-1]
    assert {line.partition(":")[0] for line in lines[:-1]} == {"ok", "left out"}


def test_transforms_are_checked_and_what_needs_options_is_left_out() -> None:
    done = check("transforms", "--json")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert found["ok"] is True
    reasons = {one["subject"]: one["reason"] for one in found["checks"] if one["check"] == "rows"}
    assert "option" in reasons["transform limit"]


@pytest.mark.parametrize(
    ("name", "sampled", "line"),
    [
        ("unpicklablesplits", True, "test_splits_make_up_the_whole: .*cannot be pickled"),
        ("claimsparallel", False, "test_capability_parallel_is_true: parallel is True"),
    ],
)
def test_a_defect_is_found(
    wrong: Path, tmp_path: Path, name: str, sampled: bool, line: str
) -> None:
    sample = tmp_path / f"a.{name}"
    sample.write_text("".join(f"{n * 37}\n" for n in range(300)))
    done = check(name, *(("--sample", str(sample)) if sampled else ()), site=wrong)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    failed = [one for one in done.stdout.splitlines() if one.startswith("failed: ")]
    assert any(re.search(line, one) for one in failed), done.stdout


def test_a_sample_that_cannot_be_read_fails_once(tmp_path: Path) -> None:
    sample = tmp_path / "a.log"
    sample.write_text(LOG.format(1, 1) + "junk\n")
    done = check("accesslog", "--sample", str(sample))
    assert done.returncode == 1
    assert "failed: reader accesslog: a.log can be read: " in done.stdout
    assert done.stdout.count("failed: reader") == 1


def test_rows_of_a_sample_are_written_where_generated_ones_are_refused(tmp_path: Path) -> None:
    sample = tmp_path / "a.log"
    sample.write_text("".join(LOG.format(n % 10, n) for n in range(300)))
    done = check("arrowsmith-example", "--sample", str(sample), "--json")
    assert done.returncode == 0, done.stdout
    found = {
        (one["subject"], one["check"]): one["status"] for one in json.loads(done.stdout)["checks"]
    }
    assert found["sink accesslog", "round trip of sample 1"] == "ok"
    assert found["sink accesslog", "test_memory_of_writing"] == "ok"
    assert found["reader accesslog", "test_memory_of_reading"] == "ok"


def test_a_broken_plugin_fails(tmp_path: Path) -> None:
    site = install(tmp_path, "hostile-import-failure")
    done = check("importfail", "--json", site=site)
    assert done.returncode == 1
    [one] = json.loads(done.stdout)["checks"]
    assert (one["check"], one["status"]) == ("loads", "failed")


def test_an_unknown_name_is_a_line() -> None:
    done = check("parqet")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "did you mean parquet" in done.stderr


@pytest.mark.parametrize(
    ("size", "message"),
    [(5 << 20, "at most 4 MB"), (0, "no such file"), (20, "of the format 'csv'")],
)
def test_a_sample_that_is_none_is_a_line(tmp_path: Path, size: int, message: str) -> None:
    sample = tmp_path / "a.csv"
    if size:
        sample.write_bytes(b"a,b\n" * (size // 4))
    done = check("json", "--sample", str(sample))
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_without_pytest_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_text("raise ModuleNotFoundError('none', name='pytest')\n")
    done = check("csv", site=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install pytest" in done.stderr


def test_details_are_shown_on_request(wrong: Path) -> None:
    done = check("claimsappend", site=wrong, ARROWSMITH_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_generated_columns_are_of_the_type_that_names_them() -> None:
    for kind, array in generated_columns().items():
        array.validate(full=True)
        assert (str(array.type).partition(", ordered")[0].rstrip(">"), len(array)) == (
            kind.rstrip(">"),
            ROWS,
        )
