"""What is imported, and when: help costs nothing, and pandas is never touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

REPORT = """
import json, sys
code = 0
try:
    {statement}
except SystemExit as exit_:
    code = exit_.code or 0
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def modules(statement: str, cwd=None) -> set[str]:
    """The modules that are loaded after a statement, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", REPORT.format(statement=statement)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=True,
    )
    code, loaded = json.loads(run.stderr.splitlines()[-1])
    assert code == 0, run.stderr
    return set(loaded)


def loaded_by(*args: str, cwd=None) -> set[str]:
    call = f"from arrowsmith.cli import main; sys.argv = ['arrowsmith', *{args!r}]; main()"
    return modules(call, cwd)


@pytest.mark.parametrize(
    "args", [("--help",), ("--version",), ("convert", "--help"), ("head", "--help")]
)
def test_help_imports_nothing_heavy(args):
    loaded = loaded_by(*args)
    assert "arrowsmith.cli.app" in loaded
    heavy = {"pyarrow", "numpy", "pandas", "rich", "pluggy", "psutil", "importlib.metadata"}
    assert not heavy & loaded
    assert not {name for name in loaded if name.startswith(("arrowsmith.catalog", "arrowsmith.f"))}


def test_group_help_imports_no_command():
    loaded = loaded_by("--help")
    assert "arrowsmith.cli.convert" not in loaded
    assert "arrowsmith.cli.head" not in loaded


def test_import_arrowsmith_imports_nothing_heavy():
    assert not {"pyarrow", "numpy", "click"} & modules("import arrowsmith")


@pytest.fixture
def folder(tmp_path):
    table = pa.table(
        {
            "id": [1, 2, 3],
            "at": pa.array([0, None, 10**18], pa.timestamp("ns", "UTC")),
            "for": pa.array([5, None, 7], pa.duration("ns")),
            "many": pa.array([[1], [], None], pa.list_(pa.timestamp("ns"))),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    pa.feather.write_feather(table, str(tmp_path / "in.arrow"), compression="uncompressed")
    (tmp_path / "in.txt").write_text("some words\n\nand more\n")
    (tmp_path / "in.csv").write_text("id,at,x\n1,2024-01-01 00:00:00,0.5\n2,,\n")
    return tmp_path


@pytest.mark.parametrize(
    "args",
    [
        ("head", "in.csv"),
        ("head", "in.parquet"),
        ("head", "in.arrow", "--json"),
        ("info", "in.csv", "--count"),
        ("info", "in.parquet", "--json"),
        ("info", "in.arrow"),
        ("count", "in.csv"),
        ("schema", "in.parquet"),
        ("convert", "in.csv", "out.parquet"),
        ("convert", "in.csv", "out.arrow", "--where", "x > 0.1 and id < 5", "--columns", "id"),
        ("convert", "in.parquet", "out.arrow", "--where", "id in (1, 2)"),
        ("convert", "in.parquet", "out.csv", "--columns", "id,at"),
        ("convert", "in.arrow", "out.parquet", "--limit", "2"),
        ("convert", "in.txt", "out.txt"),
        ("convert", "in.txt", "out.parquet", "--transform", "tokenize", "--transform", "vocab"),
    ],
    ids=" ".join,
)
def test_pandas_is_never_imported(args, folder):
    pytest.importorskip("pandas", reason="only where pandas is installed can it be imported")
    loaded = loaded_by(*args, cwd=folder)
    assert "pyarrow" in loaded
    assert "pandas" not in loaded


def test_what_is_not_used_is_not_imported(folder):
    loaded = loaded_by("convert", "in.csv", "out.parquet", cwd=folder)
    assert "arrowsmith.formats.csv.reader" in loaded
    idle = {
        *("arrowsmith.predicate", "arrowsmith.transforms.options", "arrowsmith.transforms.select"),
        *("arrowsmith.formats.json.reader", "arrowsmith.formats.text.options"),
    }
    assert not idle & loaded


def program(*args: str, before: str = "", cwd=None) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    call = f"from arrowsmith.cli import program; sys.argv = ['arrowsmith', *{args!r}]; program()"
    return subprocess.run(
        [sys.executable, "-c", f"import sys, atexit, threading\n{before}\n{call}"],
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.mark.parametrize(
    ("args", "code"),
    [(("count", "in.csv"), 0), (("count", "no.csv"), 1), (("count", "--no"), 2), (("--help",), 0)],
)
def test_the_program_ends_with_its_exit_code(args, code, folder):
    run = program(*args, before="atexit.register(print, 'bye')", cwd=folder)
    assert run.returncode == code
    assert run.stdout.endswith("bye\n")  # what was to be done at the end is done


def test_the_program_ends_after_threads_that_are_still_at_work(folder):
    late = "def late(): threading.main_thread().join(); print('late')\n"
    run = program(
        "count", "in.csv", before=late + "threading.Thread(target=late).start()", cwd=folder
    )
    assert (run.returncode, run.stdout) == (0, "2\nlate\n")


def allocator(**environment: str) -> tuple[str, str]:
    code = "from arrowsmith.cli import main\nimport sys\nsys.argv=['a','--version']\n"
    code += "try: main()\nexcept SystemExit: pass\nimport pyarrow\n"
    code += "print(pyarrow.default_memory_pool().backend_name)"
    kept = {k: v for k, v in os.environ.items() if k != "ARROW_DEFAULT_MEMORY_POOL"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**kept, **environment}
    )
    return run.stdout.split()[-1], run.stderr


@pytest.mark.skipif(
    sys.platform != "linux" or "jemalloc" not in pa.supported_memory_backends(),
    reason="this pyarrow has no jemalloc",
)
def test_jemalloc_is_chosen_where_pyarrow_has_it():
    assert allocator() == ("jemalloc", "")


def test_an_allocator_that_is_set_is_kept():
    assert allocator(ARROW_DEFAULT_MEMORY_POOL="system") == ("system", "")
