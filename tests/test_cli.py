"""The command line: what it prints, where, and how it exits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from arrowsmith.cli.app import COMMANDS, app
from arrowsmith.pipeline import RunStats

CSV = "id,score,lang\n1,0.25,en\n2,0.75,de\n3,,en\n4,0.9,en\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "in.csv").write_text(CSV)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n3\n4,5\n")
    table = pa.table({"id": [1, 2, None], "name": ["x" * 200, "a\x1b[31m\nb", None]})
    pq.write_table(table, tmp_path / "in.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str):
    return CliRunner().invoke(app, args)


def ok(*args: str):
    result = run(*args)
    assert result.exit_code == 0, result.stderr
    return result


def error_line(*args: str, code: int) -> str:
    """The one line of a failing command."""
    result = run(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("arrowsmith: error: ")
    return lines[0].removeprefix("arrowsmith: error: ")


# --- the program ---------------------------------------------------------------------------------


def test_help_lists_every_command():
    text = ok("--help").stdout
    assert all(re.search(rf"^  {name} +\S", text, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    assert ok(name, "--help").stdout.startswith(f"Usage: arrowsmith {name}")


def test_version():
    from importlib.metadata import version

    assert ok("--version").stdout == f"arrowsmith {version('arrowsmith')}\n"


def test_an_unknown_command_is_answered_with_the_nearest():
    assert "did you mean 'convert'" in error_line("covnert", code=2)


def test_an_unknown_option_is_a_usage_error():
    assert "--ovrwrite" in error_line("convert", "a", "b", "--ovrwrite", code=2)


def test_without_arguments_the_help_is_shown():
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


# --- convert -------------------------------------------------------------------------------------


def test_convert_says_one_line_on_stderr_and_nothing_on_stdout(folder):
    result = ok("convert", "in.csv", "out.parquet")
    assert result.stdout == ""
    assert re.fullmatch(r"out\.parquet: 4 rows, .* in .* s, peak memory .*\n", result.stderr)
    assert pl.read_parquet("out.parquet").equals(pl.read_csv("in.csv"))


def test_convert_json_has_the_figures(folder):
    found = json.loads(ok("convert", "in.csv", "out.csv.gz", "--json", "--threads", "1").stdout)
    assert (found["target"], found["format"]) == ("out.csv.gz", "csv")
    assert (found["rows_in"], found["rows_out"], found["threads"]) == (4, 4, 1)
    assert found["bytes_out"] == (folder / "out.csv.gz").stat().st_size
    assert set(found) == {*RunStats().as_dict(), "target", "format"}


def test_the_condition_comes_before_the_columns_and_the_limit_last(folder):
    where = "score > 0.5 or lang = 'en'"
    ok("convert", "in.csv", "out.parquet", "--where", where, "--columns", "id", "--limit", "2")
    assert pl.read_parquet("out.parquet").to_dict(as_series=False) == {"id": [1, 2]}


def test_options_of_both_formats(folder):
    ok("convert", "in.csv", "out.tsv", "-r", "infer=none", "-w", "header=false")
    assert (folder / "out.tsv").read_text() == "".join(CSV.split("\n", 1)[1]).replace(",", "\t")


def test_from_and_to_name_the_formats(folder):
    (folder / "in.csv").rename(folder / "table")
    ok("convert", "table", "out", "--from", "csv", "--to", "parquet")
    assert pl.read_parquet("out").height == 4


def test_several_sources_a_glob_and_the_file_path_column(folder):
    (folder / "two.csv").write_text(CSV)
    ok("convert", "in.csv", "tw*.csv", "out.parquet", "--file-path-column", "file")
    assert pl.read_parquet("out.parquet")["file"].to_list() == ["in.csv"] * 4 + ["two.csv"] * 4


def test_an_existing_target_is_kept_unless_overwrite(folder):
    (folder / "out.parquet").write_text("precious")
    assert "--overwrite" in error_line("convert", "in.csv", "out.parquet", code=2)
    assert (folder / "out.parquet").read_text() == "precious"
    ok("convert", "in.csv", "out.parquet", "--overwrite")
    assert pl.read_parquet("out.parquet").height == 4


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("out.what",), "out.what"),
        (("out.csv", "-w", "delimitr=;"), "did you mean 'delimiter'"),
        (("out.csv", "--to", "prquet"), "did you mean 'parquet'"),
        (("out.csv", "-w", "delimiter"), "KEY=VALUE"),
        (("out.csv", "--memory", "5Q"), "512MB"),
        (("out.csv", "--transform", "no_such"), "no transform named 'no_such'"),
        (("out.csv", "--columns", "a,,b"), "--columns"),
        (("out.csv", "--rejects", "bad.txt"), ".jsonl or .parquet"),
        (("out.csv", "--rejects", "r.jsonl", "--on-error", "skip"), "quarantine"),
        (("out.csv", "--on-error", "quarantine"), "--rejects"),
        (("out.parquet", "--rejects", "./out.parquet"), "one file"),
        (("out.csv", "--limit", "-1"), "--limit"),
        (("out.csv", "--threads", "0"), "--threads"),
        (("out.csv", "-r", "budget=1"), "no format has an option 'budget'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_usage_is_checked_before_a_source_is_opened(args, said, folder):
    assert said in error_line("convert", "not-there.csv", *args, code=2)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--columns", "id,scroe"), "did you mean 'score'"),
        (("--where", "scor > 1"), "did you mean score"),
        (("--where", "score >"), "where"),
        (("-r", "delimitr=;"), "did you mean 'delimiter'"),
    ],
)
def test_wrong_names_of_the_source_are_usage_errors(args, said, folder):
    assert said in error_line("convert", "in.csv", "out.parquet", *args, code=2)
    assert not (folder / "out.parquet").exists()


def test_a_bad_record_is_one_line_with_its_place(folder):
    line = error_line("convert", "bad.csv", "out.parquet", code=1)
    assert line.startswith("bad.csv: line 3, byte 8: ")
    assert sorted(path.name for path in Path().iterdir()) == ["bad.csv", "in.csv", "in.parquet"]


def test_bad_records_are_left_out_or_kept_apart(folder):
    assert "1 bad record left out" in ok("convert", "bad.csv", "a.csv", "--on-error", "skip").stderr
    result = ok("convert", "bad.csv", "b.csv", "--rejects", "r.jsonl")
    assert "1 bad record left out to r.jsonl" in result.stderr
    assert json.loads((folder / "r.jsonl").read_text())["raw"] == "3"
    assert (folder / "a.csv").read_text() == (folder / "b.csv").read_text() == "a,b\n1,2\n4,5\n"


def test_too_many_bad_records(folder):
    args = ("convert", "bad.csv", "out.csv", "--on-error", "skip", "--max-errors", "0")
    assert "--max-errors" in error_line(*args, code=1)


def test_a_warning_is_a_plain_line(folder):
    (folder / "zero.csv").write_bytes(b"")
    result = ok("convert", "in.csv", "zero.csv", "out.parquet")
    assert result.stderr.splitlines()[0] == "warning: zero.csv: an empty file, left out"
    assert "UserWarning" not in result.stderr


# --- looking -------------------------------------------------------------------------------------


def test_info_json(folder):
    found = json.loads(ok("info", "in.parquet", "--json").stdout)
    assert (found["format"], found["files"], found["rows"]) == ("parquet", 1, 3)
    assert found["bytes"] == (folder / "in.parquet").stat().st_size
    assert [(c["name"], c["type"]) for c in found["columns"]] == [
        ("id", "int64"),
        ("name", "string"),
    ]


def test_info_tells_guesses_and_counts_on_request_only(folder):
    found = json.loads(ok("info", "in.csv", "--json").stdout)
    assert found["rows"] is None
    assert found["guesses"]["delimiter"] == ","
    assert json.loads(ok("info", "in.csv", "--json", "--count").stdout)["rows"] == 4
    assert "--count" in ok("info", "in.csv").stdout


def test_info_of_compressed_files(folder):
    ok("convert", "in.csv", "in.csv.zst")
    found = json.loads(ok("info", "in.csv.zst", "--json").stdout)
    assert (found["compression"], found["format"]) == ("zstd", "csv")


def test_head_is_a_table(folder):
    lines = ok("head", "in.csv", "-n", "3").stdout.splitlines()
    assert lines[0].split() == ["id", "score", "lang"]
    assert [line.split() for line in lines[2:]] == [
        ["1", "0.25", "en"],
        ["2", "0.75", "de"],
        ["3", "null", "en"],
    ]


def test_head_escapes_controls_and_cuts_long_values(folder):
    text = ok("head", "in.parquet").stdout
    assert "\x1b" not in text
    assert r"a\x1b[31m\nb" in text
    assert "xxx…" in text
    assert max(map(len, text.splitlines())) < 100


def test_head_tells_null_from_text(folder):
    pq.write_table(pa.table({"a": ["null", "", None]}), "n.parquet")
    assert ok("head", "n.parquet").stdout.splitlines()[2:] == ['"null"', '""', "null"]


def test_head_json_is_lines_of_whole_values(folder):
    rows = [json.loads(line) for line in ok("head", "in.parquet", "--json").stdout.splitlines()]
    assert rows == pq.read_table("in.parquet").to_pylist()


def test_head_of_no_rows(folder):
    assert ok("head", "in.csv", "-n", "0", "--json").stdout == ""


def test_schema_and_count(folder):
    assert [line.split() for line in ok("schema", "in.csv").stdout.splitlines()[2:]] == [
        ["id", "int64"],
        ["score", "double"],
        ["lang", "string"],
    ]
    found = json.loads(ok("schema", "in.csv", "--json").stdout)
    assert found["columns"][0] == {"name": "id", "type": "int64", "nullable": True}
    assert ok("count", "in.csv").stdout == "4\n"
    assert json.loads(ok("count", "in.csv", "in.csv", "--json").stdout) == {"rows": 8}


@pytest.mark.parametrize("command", ["info", "head", "schema", "count"])
def test_sources_that_cannot_be_opened(command, folder):
    (folder / "empty.csv").write_bytes(b"")
    (folder / "none").mkdir()
    assert "did you mean in.csv" in error_line(command, "inn.csv", code=1)
    assert "the file is empty" in error_line(command, "empty.csv", code=1)
    assert "no files" in error_line(command, "none", code=1)
    assert "no file matches" in error_line(command, "*.xyz", code=1)
    assert "did you mean 'csv'" in error_line(command, "in.csv", "--from", "cvs", code=2)
    assert "SOURCE" in error_line("convert", code=2)


def test_a_file_name_cannot_write_control_codes(folder):
    (folder / "a\x1b[31m.csv").write_text("a,b\n1,2\n3\n")
    line = error_line("convert", "a\x1b[31m.csv", "out.csv", code=1)
    assert r"a\x1b[31m.csv" in line


# --- formats and plugins -------------------------------------------------------------------------


def test_formats(folder):
    found = {one["name"]: one for one in json.loads(ok("formats", "--json").stdout)}
    assert {"csv", "parquet", "arrow"} <= set(found)
    assert all(found[name]["read"] and found[name]["write"] for name in ("csv", "parquet"))
    text = ok("formats").stdout
    assert all(re.search(rf"^{name} ", text, re.MULTILINE) for name in found)


def test_a_format_with_its_options():
    found = json.loads(ok("formats", "csv", "--json").stdout)
    options = {one["name"]: one for one in found["reader"]["options"]}
    assert options["infer"]["default"] == "sample"
    text = ok("formats", "csv").stdout
    assert all(f"-r {name}=" in text for name in options)
    assert all(f"-w {one['name']}=" in text for one in found["sink"]["options"])


def test_an_unknown_format_is_answered_with_the_nearest():
    assert "did you mean 'parquet'" in error_line("formats", "parqet", code=2)


def test_plugins():
    found = {one["name"]: one for one in json.loads(ok("plugins", "--json").stdout)}
    assert (found["csv"]["distribution"], found["csv"]["status"]) == ("arrowsmith", "ok")
    assert re.search(r"^csv +arrowsmith ", ok("plugins").stdout, re.MULTILINE)


# --- processes -----------------------------------------------------------------------------------

PROGRAM = [sys.executable, "-m", "arrowsmith"]


@pytest.fixture
def big(folder):
    """A CSV file that is larger than any pipe's buffer."""
    (folder / "big.csv").write_text("a,b\n" + "".join(f"{n},text {n}\n" for n in range(300_000)))
    return folder


def test_python_m_and_exit_codes(folder):
    done = subprocess.run([*PROGRAM, "count", "in.csv"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")
    done = subprocess.run([*PROGRAM, "count", "no.csv"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    done = subprocess.run([*PROGRAM, "count"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_the_reader_of_the_output_may_go_away(big):
    process = subprocess.Popen(
        [*PROGRAM, "head", "-n", "300000", "--json", "big.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert json.loads(process.stdout.readline()) == {"a": 0, "b": "text 0"}
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_ends_the_run_without_litter(number, code, said, big):
    os.mkfifo("out.csv")
    before = sorted(path.name for path in Path().iterdir())
    process = subprocess.Popen(
        [*PROGRAM, "convert", "big.csv", "out.csv", "--rejects", "bad.jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with open("out.csv", "rb") as pipe:
        assert pipe.read(4) == b"a,b\n"  # it is under way, and will soon wait for us to read on
        process.send_signal(number)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr) == (code, "", f"arrowsmith: {said}\n")
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_signal_that_another_thread_takes_ends_the_run_too(big):
    """Python's handler would run once the main thread's write is done, which it never is."""
    code = (
        "import signal, sys, threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "from arrowsmith.cli import program\n"
        "sys.argv[1:] = ['convert', 'big.csv', 'out.csv']\n"
        "program()\n"
    )
    os.mkfifo("out.csv")
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    with open("out.csv", "rb") as pipe:
        assert pipe.read(4) == b"a,b\n"
        process.terminate()
        assert process.communicate() == (None, "arrowsmith: terminated\n")
    assert process.returncode == 143


def test_an_unexpected_failure_asks_for_a_report(folder, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("half\na reason")

    monkeypatch.setattr("arrowsmith.dataset.open_dataset", fail)
    monkeypatch.delenv("ARROWSMITH_DEBUG", raising=False)
    line = error_line("count", "in.csv", code=1)
    assert "ZeroDivisionError: half a reason" in line
    assert "report" in line
    monkeypatch.setenv("ARROWSMITH_DEBUG", "1")
    assert "Traceback" in run("count", "in.csv").stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory"),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_failures_of_the_system_are_one_line(error, said, folder, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("arrowsmith.dataset.open_dataset", fail)
    assert said in error_line("count", "in.csv", code=1)


@pytest.fixture
def buffered(monkeypatch):
    """Processes that hold back what they write to files and pipes, as outside of containers."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.delenv("ARROWSMITH_DEBUG", raising=False)


@pytest.fixture
def full():
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full on this system")
    with open("/dev/full", "w") as file:
        yield file


LOOKING = [
    ("head", "in.csv"),
    ("head", "in.csv", "--json"),
    ("schema", "in.csv"),
    ("info", "in.csv"),
    ("count", "in.csv"),
    ("--help",),
]


@pytest.mark.parametrize("args", LOOKING, ids=" ".join)
def test_a_full_disk_behind_stdout(args, folder, buffered, full):
    done = subprocess.run([*PROGRAM, *args], stdout=full, stderr=subprocess.PIPE, text=True)
    line = "arrowsmith: error: standard output: no space left\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize("args", LOOKING[:-1], ids=" ".join)
def test_a_full_disk_behind_stdout_that_is_not_buffered(args, folder, full, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    done = subprocess.run([*PROGRAM, *args], stdout=full, stderr=subprocess.PIPE, text=True)
    line = "arrowsmith: error: standard output: no space left\n"
    assert (done.returncode, done.stderr) == (1, line)


def test_a_full_disk_behind_stdout_and_stderr(folder, buffered, full):
    assert subprocess.run([*PROGRAM, "head", "in.csv"], stdout=full, stderr=full).returncode == 1
    assert subprocess.run([*PROGRAM, "count", "no.csv"], stderr=full).returncode == 1


def closed(stream: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run with a standard stream closed, as ``arrowsmith ... >&-`` does."""
    shell = ["sh", "-c", f'exec "$@" {stream}&-', "sh", *PROGRAM, *args]
    return subprocess.run(shell, capture_output=True, text=True)


@pytest.mark.parametrize("args", LOOKING[:-1], ids=" ".join)
def test_a_closed_stdout(args, folder, buffered):
    done = closed(">", *args)
    line = "arrowsmith: error: standard output: is closed; send it to a file or to /dev/null\n"
    assert (done.returncode, done.stderr) == (1, line)


def test_a_closed_stream_that_is_not_needed(folder, buffered):
    assert closed(">", "convert", "in.csv", "a.parquet").returncode == 0
    assert closed("2>", "convert", "in.csv", "b.parquet").returncode == 0
    assert pl.read_parquet("a.parquet").equals(pl.read_parquet("b.parquet"))
    done = closed("2>", "count", "no.csv")
    assert (done.returncode, done.stdout) == (1, "")


# --- what to do instead --------------------------------------------------------------------------


def test_only_names_that_are_near_are_suggested(folder):
    for name in ("million.csv", "isgz.csv", "sales-1.csv", "sales-2.csv", "sales-3.csv"):
        (folder / name).write_text(CSV)
    line = error_line("count", "missing.csv", code=1)
    assert line == "missing.csv: no such file or directory"
    assert error_line("count", "sales-4.csv", code=1).count("sales-") == 3


def test_hints_name_the_flags(folder):
    assert "; say the format with --to or format=; " in error_line(
        "convert", "in.csv", "z.wat", code=2
    )
    (folder / "bytes").write_bytes(bytes(range(256)))
    assert "--from or format=" in error_line("count", "bytes", code=1)
    assert "did you mean 'parquet'" in error_line("formats", "parqet", code=2)


def test_a_folder_that_takes_no_files(folder):
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc on this system")
    line = error_line("convert", "in.csv", "/proc/foo.csv", code=1)
    assert line.startswith("/proc/foo.csv: ")
    assert "does not exist" not in line


def test_a_tiny_budget_is_told_in_fitting_units(folder):
    Path("in.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(2000)))
    line = error_line("convert", "in.csv", "out.parquet", "--memory", "1KB", code=1)
    assert "more than the memory budget of 1 KB" in line
    assert re.search(r"needs about \d+(\.\d)? MB", line)
    advised = re.search(r"--memory (\d+)MB", line)
    assert advised is not None
    assert int(advised[1]) >= 16
    ok("convert", "in.csv", "out.parquet", "--memory", f"{advised[1]}MB")
