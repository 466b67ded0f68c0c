"""The contract kit passes what is right, and names what is wrong."""

from __future__ import annotations

import inspect
import threading
from importlib.metadata import EntryPoint
from pathlib import Path

import pyarrow as pa
import pytest

import arrowsmith.catalog
from arrowsmith.catalog import Catalog
from arrowsmith.testing import (
    Damaged,
    ReaderContract,
    RoundTripContract,
    SinkContract,
    TransformContract,
    expect_same_table,
)
from arrowsmith.testing.checks import no_leaks, within

NUMBERS = "".join(f"{n * 37}\n" for n in range(400)).encode()
TABLE = pa.table({"n": pa.array(range(400), pa.int64())})
BAD = Damaged(b"1\nx\n2\n\n3\n", bad=2, rows=3)


@pytest.fixture(autouse=True)
def wrong_formats(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The formats of tests/wrong_formats are all that is installed; their litter is not here."""
    monkeypatch.chdir(tmp_path_factory.mktemp("litter"))
    entries = [(name, f"wrong_formats.{name}") for name in ("heavy", "early")]
    entries.append(("numbers", "wrong_formats"))
    points = [EntryPoint(name, value, "arrowsmith") for name, value in entries]
    monkeypatch.setattr(arrowsmith.catalog, "_shared", Catalog(points))


class TestNumbers(ReaderContract):
    name = "numbers"
    samples = {"a.numbers": NUMBERS, "b.numbers": b"7\n"}
    damaged = {"bad.numbers": BAD}

    def large_sample(self, path: Path, nbytes: int) -> None:
        line = b"7".ljust(4095) + b"\n"
        with path.open("wb") as file:
            for _ in range(nbytes >> 20):
                file.write(line * 256)


class TestNumbersSink(SinkContract):
    name = "numberssink"
    table = TABLE
    budget = 32 << 20


class TestNumbersRoundTrip(RoundTripContract):
    name = "numbers"
    table = TABLE.append_column("text", TABLE["n"].cast(pa.string()))


class TestDouble(TransformContract):
    name = "double"
    table = TABLE
    expected = pa.table({"n": pa.array(range(0, 800, 2), pa.int64())})
    wrong_schemas = (pa.schema([("m", pa.int64())]),)


def verdict(contract: object, name: str, check: str, folder: Path) -> None:
    """Run one check of a contract for the format ``name``."""
    tested = type("Tested", (contract,), {"name": name})()
    method = getattr(tested, check)
    method(*([folder] if "tmp_path" in inspect.signature(method).parameters else []))


WRONG = [
    (TestNumbers, "otherschema", "test_schema_comes_first_and_stays", "another schema"),
    (TestNumbers, "borderloser", "test_splits_make_up_the_whole", "in .* splits"),
    (TestNumbers, "ignoresbatchrows", "test_batch_rows_is_a_ceiling", "has 400 rows"),
    (TestNumbers, "ignoresbatchrows", "test_splits_take_requests", "ignores batch_rows"),
    (TestNumbers, "raisesvalueerror", "test_damage_is_an_error_or_a_table", "ValueError"),
    (TestNumbers, "wrongcount", "test_count_is_the_number_of_rows", "gives 401"),
    (TestNumbers, "unpicklablesplits", "test_splits_make_up_the_whole", "cannot be pickled"),
    (TestNumbers, "leavesfileopen", "test_nothing_is_left_open", "open files"),
    (TestNumbers, "leavesfileopen", "test_damage_leaves_nothing_open", "open files"),
    (TestNumbers, "onescanonly", "test_reading_again_gives_the_same", "scanned a second time"),
    (TestNumbers, "wrongoffset", "test_bad_records_are_handed_over", "at its offset"),
    (TestNumbers, "dropssilently", "test_bad_record_is_an_error_with_its_place", "pass without"),
    (TestNumbers, "dropssilently", "test_bad_records_are_handed_over", "0 rejects"),
    (TestNumbers, "fileordercolumns", "test_projection_is_selection", "has the columns"),
    (TestNumbers, "overpredicate", "test_predicate_only_leaves_rows_out", "where n >="),
    (TestNumbers, "lastrows", "test_limit_gives_the_first_rows", "limit=1"),
    (TestNumbers, "needsoffsets", "test_compressed_file_gives_the_same", "is compressed"),
    (TestNumbers, "onethreadonly", "test_pieces_can_be_read_at_once", "another thread"),
    (TestNumbers, "linesofsplit", "test_bad_records_have_their_place_in_splits", "line=1"),
    (TestNumbers, "ignoresstreamerrors", "test_cut_compressed_file_is_an_error", "no error"),
    (TestNumbers, "greedyprobe", "test_other_files_are_left_alone", "claims a csv file"),
    (TestNumbers, "certainprobe", "test_others_are_never_claimed_for_certain", "is certain of"),
    (TestNumbers, "forgetssplit", "test_requests_combine", "where n >="),
    (TestNumbers, "otherwhenempty", "test_nothing_matches", "has the schema"),
    (TestNumbers, "ignorespredicate", "test_declared_predicate_leaves_rows_out", "all rows of all"),
    (
        TestNumbers,
        "undeclaredcount",
        "test_undeclared_capabilities_are_absent",
        "count.. gives 400",
    ),
    (TestNumbers, "undeclaredprojection", "test_undeclared_capabilities_are_absent", "columns"),
    (TestNumbers, "undeclaredpredicate", "test_undeclared_capabilities_are_absent", "condition"),
    (TestNumbers, "splitsofprocess", "test_splits_are_read_in_another_process", "0 rows"),
    (TestNumbers, "claimsmapped", "test_residency_is_as_declared", "buffers are copies"),
    (TestNumbers, "claimsranges", "test_residency_is_as_declared", "read to its end"),
    (TestNumbers, "liesoverfile", "test_residency_is_as_declared", "lie over the mapped file"),
    (TestNumbers, "greedyallocator", "test_damage_is_an_error_or_a_table", "bytes of memory"),
    (TestNumbers, "slurpsfile", "test_memory_of_reading", "bytes of memory"),
    (
        TestNumbers,
        "early",
        "test_implementation_is_imported_when_used",
        "before anything is opened",
    ),
    (TestNumbers, "slow", "test_implementation_is_imported_when_used", "imports pandas"),
    (TestNumbers, "heavyprobe", "test_spec_module_is_light", "hooks and probe imports numpy"),
    (TestNumbers, "raisingprobe", "test_probe_survives_any_bytes", "raises ValueError"),
    (TestNumbers, "silentoptions", "test_options_are_described", "base"),
    (TestNumbers, "heavy", "test_spec_module_is_light", "imports numpy"),
    (TestNumbers, "absent", "test_plugin_is_found", "0 plugins give a reader 'absent'"),
    (TestNumbersSink, "pathwriter", "test_file_appears_when_it_is_published", "target.open"),
    (TestNumbersSink, "pathwriter", "test_exception_leaves_nothing", "after an exception"),
    (TestNumbersSink, "pathwriter", "test_failing_source_leaves_the_old_file", "old file"),
    (TestNumbersSink, "randombytes", "test_same_bytes_for_any_threads_and_batches", "other bytes"),
    (TestNumbersSink, "swallowserrors", "test_full_disk_is_told", "says nothing"),
    (TestNumbersSink, "lateopener", "test_no_rows_give_a_file", "nothing to publish"),
    (TestNumbersSink, "wholebuffers", "test_slices_are_written_as_they_are", "sliced"),
    (TestNumbersSink, "leaveshandleopen", "test_nothing_is_left_open", "open files"),
    (TestNumbersSink, "leaveshandleopen", "test_exception_leaves_nothing", "open files"),
    (TestNumbersSink, "claimsparallel", "test_capability_parallel_is_true", "parallel is True"),
    (TestNumbersSink, "claimsappend", "test_capability_append_is_true", "append is True"),
    (TestNumbersSink, "swallowsinterrupt", "test_interruption_comes_through", "is swallowed"),
    (TestNumbersSink, "pathwriter", "test_kill_leaves_the_old_file", "old file is gone"),
    (TestNumbersSink, "writesbeside", "test_kill_leaves_the_old_file", "target.open"),
    (TestNumbersSink, "holdsall", "test_memory_of_writing", "bytes of memory"),
    (TestNumbersRoundTrip, "nullstozero", "test_nulls_come_back", "row 0"),
    (TestDouble, "otheroutput", "test_schema_is_known_before_rows", "another schema"),
    (TestDouble, "countsperbatch", "test_batch_bounds_do_not_matter", "batches of 1 rows"),
    (TestDouble, "countsperbatch", "test_rows_are_as_expected", "row 1"),
    (TestDouble, "failsonnorows", "test_no_rows", "index out of bounds"),
    (TestDouble, "takesanything", "test_wrong_schema_is_refused", "does not fit"),
    (TestDouble, "ordered", "test_kind_is_as_the_spec_says", "says stateless"),
]


@pytest.mark.parametrize(
    ("contract", "name", "check", "message"), WRONG, ids=[f"{w[1]}-{w[2]}" for w in WRONG]
)
def test_defect_is_found(
    contract: type, name: str, check: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=message):
        verdict(contract, name, check, tmp_path)


def test_a_call_that_hangs_is_told() -> None:
    forever = threading.Event()
    try:
        with pytest.raises(AssertionError, match="no end"):
            within(0.1, forever.wait, "a reader")
    finally:
        forever.set()


def test_a_thread_left_over_is_told() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="left-over")
    try:
        with pytest.raises(AssertionError, match="left-over"), no_leaks("a reader"):
            thread.start()
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(
    ("got", "message"),
    [
        (pa.table({"b": [1.0, float("nan")]}), "columns"),
        (pa.table({"a": [1, 2]}), "is int64"),
        (pa.table({"a": [1.0]}), "1 rows"),
        (pa.table({"a": [1.0, None]}), "row 1"),
    ],
)
def test_tables_that_differ_are_told_apart(got: pa.Table, message: str) -> None:
    wanted = pa.table({"a": [1.0, float("nan")]})
    with pytest.raises(AssertionError, match=message):
        expect_same_table(got, wanted, "it")
    expect_same_table(wanted.slice(0), wanted, "itself")
