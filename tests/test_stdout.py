"""``-`` as a target: data on standard output and nothing else."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import OptionError


@pytest.fixture
def source(tmp_path, table) -> Path:
    pq.write_table(table, tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def convert(*args: object, **given) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "arrowsmith", "convert", *map(str, args)]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **given)


@pytest.mark.parametrize("format_", ["parquet", "arrow", "csv", "jsonl"])
def test_what_comes_out_is_what_a_file_would_hold(source, tmp_path, format_):
    done = convert(source, "-", "--to", format_, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    arrowsmith.open(source).write(tmp_path / f"out.{format_}", format=format_)
    assert done.stdout == (tmp_path / f"out.{format_}").read_bytes()
    assert b"standard output: 1,000 rows" in done.stderr


def test_an_independent_reader_reads_it(source, table):
    done = convert(source, "-", "--to", "parquet", stdout=subprocess.PIPE)
    assert pq.read_table(io.BytesIO(done.stdout)).equals(table)
    done = convert(source, "-", "--to", "csv", stdout=subprocess.PIPE)
    assert pacsv.read_csv(io.BytesIO(done.stdout))["id"].equals(table["id"])


def test_the_figures_go_to_stderr(source):
    done = convert(source, "-", "--to", "csv", "--json", stdout=subprocess.PIPE)
    assert done.stdout.startswith(b"id,score,lang,good\n")
    figures = json.loads(done.stderr[done.stderr.index(b"{") :])
    assert (figures["target"], figures["rows_out"]) == ("-", 1000)


def test_the_format_has_to_be_told(source):
    done = convert(source, "-", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no suffix that tells the format; say it with --to" in done.stderr


@pytest.mark.parametrize("option", [{"rows_per_file": 5}, {"partition_by": "id"}, {"append": True}])
def test_it_is_one_new_stream(source, option):
    with pytest.raises(OptionError, match="standard output"):
        arrowsmith.open(source).write("-", format="csv", **option)


def test_a_reader_that_goes_away(tmp_path):
    pq.write_table(pa.table({"text": ["x" * 1000] * 5000}), tmp_path / "in.parquet")
    command = [sys.executable, "-m", "arrowsmith", "convert", tmp_path / "in.parquet", "-"]
    with subprocess.Popen(
        [*command, "--to", "csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"text\n"
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_no_space_left(source):
    with Path("/dev/full").open("wb") as full:
        done = convert(source, "-", "--to", "csv", stdout=full)
    assert done.returncode == 1
    assert b"arrowsmith: error: standard output: no space left" in done.stderr


@pytest.mark.parametrize(("format_", "code"), [("csv", 0), ("parquet", 1)])
def test_a_terminal_gets_text_only(source, format_, code):
    master, slave = pty.openpty()
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "arrowsmith",
            "convert",
            source,
            "-",
            "--to",
            format_,
            "--limit",
            "2",
        ],
        stdout=slave,
        stderr=subprocess.PIPE,
    ) as child:
        os.close(slave)
        told = child.stderr.read()
    assert child.returncode == code, told
    if code:
        assert b"is a terminal, and this is no text; send it to a file or a pipe" in told
    else:
        assert os.read(master, 1000).startswith(b"id,score,lang,good\r\n0,")
    os.close(master)


def test_a_source_is_not_appended_to_itself(tmp_path):
    (tmp_path / "in.csv").write_text("a\n1\n")
    with (tmp_path / "in.csv").open("ab") as out:
        done = convert(tmp_path / "in.csv", "-", "--to", "csv", stdout=out)
    assert done.returncode == 1
    assert b"is also a source" in done.stderr
    assert (tmp_path / "in.csv").read_text() == "a\n1\n"


def test_what_went_out_is_not_begun_again(tmp_path):
    """A type that was guessed wrong: a file is begun anew, which a pipe cannot be."""
    lines = [f"{i}\n" for i in range(400_000)]
    lines[-10_000] = "word\n"
    (tmp_path / "in.csv").write_text("n\n" + "".join(lines))
    done = convert(
        tmp_path / "in.csv", "-", "--to", "csv", "-r", "sample_bytes=1KB", stdout=subprocess.PIPE
    )
    assert done.stdout.count(b"n\n") <= 1
    if done.returncode == 0:
        assert done.stdout == (tmp_path / "in.csv").read_bytes()
    else:
        assert b"infer=full" in done.stderr or b'infer="full"' in done.stderr
