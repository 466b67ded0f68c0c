"""Reading text, judged by Python's own readers, Polars and DuckDB."""

from __future__ import annotations

import io
import itertools
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError, DataError, OptionError, RatioExceeded, UnknownFormat
from arrowsmith.plugin.protocols import ScanRequest
from arrowsmith.testing.checks import opened

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"), max_size=30
)


def rows_of(path: Path, **options: object) -> pa.Table:
    return arrowsmith.open(path, format="text", **options).to_table()


def texts(path: Path, **options: object) -> list[str]:
    return rows_of(path, **options)["text"].to_pylist()


# --- lines ---------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    st.lists(TEXTS, min_size=1, max_size=40),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]),
    st.booleans(),
    st.integers(16, 80),
)
def test_lines_are_those_of_python(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[str],
    end: str,
    encoding: str,
    ended: bool,
    range_bytes: int,
) -> None:
    """Texts, line numbers and offsets, for any encoding, line end and size of the ranges."""
    path = tmp_path_factory.mktemp("lines") / "some.txt"
    whole = end.join(values) + end * ended
    path.write_bytes(whole.encode(encoding))
    wanted = io.StringIO(whole, newline="\n").read().split("\n")
    wanted = [line.removesuffix("\r") if end == "\r\n" else line for line in wanted]
    wanted = wanted[:-1] if whole.endswith("\n") or not whole else wanted
    if not path.stat().st_size:
        return
    table = rows_of(path, encoding=encoding, range_bytes=range_bytes)
    assert table["text"].to_pylist() == wanted
    assert table["line"].to_pylist() == list(range(1, len(wanted) + 1))
    raw, codec = (
        path.read_bytes(),
        {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"},
    )
    name = codec.get(encoding, encoding)
    for text, offset in zip(wanted, table["offset"].to_pylist(), strict=True):
        assert raw[offset : offset + len(text.encode(name))] == text.encode(name)


def test_lines_are_those_of_polars_and_duckdb(tmp_path: Path) -> None:
    """Fifty thousand lines in many ranges, read by several threads."""
    path = tmp_path / "many.txt"
    path.write_text("".join(f"line {n} " + "é" * (n % 50) + "\n" for n in range(50_000)))
    found = rows_of(path, range_bytes="64KB")
    assert found["text"].to_pylist() == pl.scan_lines(path).collect().to_series().to_list()
    judge = duckdb.sql(f"select content from read_text('{path}')").fetchall()[0][0]
    assert found["text"].to_pylist() == judge.split("\n")[:-1]
    assert found["line"].to_pylist() == list(range(1, 50_001))
    source = found["source"].combine_chunks().dictionary_decode().unique()
    assert source.to_pylist() == [str(path)]


def test_line_ends(tmp_path: Path) -> None:
    """LF and CRLF may be mixed; one CR before an LF goes; CR alone ends lines where no LF is."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\nb\r\nc\rd\r\r\n\r\n")
    assert texts(path) == ["a", "b", "c\rd\r", ""]
    assert texts(path, line_end="lf") == ["a", "b\r", "c\rd\r\r", "\r"]
    assert texts(path, line_end="cr") == ["a\nb", "\nc", "d", "", "\n", "\n"]
    path.write_bytes(b"old\rmac\r\rfile")
    assert texts(path) == ["old", "mac", "", "file"]


def test_blank_lines_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\n a\n\t \nb\n\n")
    table = rows_of(path, skip_blank=True)
    assert table.select(["text", "line", "offset"]).to_pylist() == [
        {"text": " a", "line": 2, "offset": 1},
        {"text": "b", "line": 4, "offset": 7},
    ]


def test_a_line_longer_than_a_range(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x" * 3_000_000 + "\ny\n")
    assert [len(text) for text in texts(path, range_bytes="64KB")] == [3_000_000, 1]
    with pytest.raises(DataError, match="longer than max_record_bytes"):
        texts(path, range_bytes="64KB", max_record_bytes="1MB")


def test_only_the_columns_asked_for_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\nb\n")
    ds = arrowsmith.open(path)
    assert ds.select("line").to_table().to_pydict() == {"line": [1, 2]}
    assert ds.select("offset", "text").to_table().to_pydict() == {
        "offset": [0, 2],
        "text": ["a", "b"],
    }
    assert ds.count() == 2


def test_dictionary_is_shared(tmp_path: Path) -> None:
    """Indices of all batches mean the same texts, until the dictionary is full."""
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{n * n % 7}\n" for n in range(5000)))
    batches = list(arrowsmith.open(path, dictionary=True, range_bytes="1KB").batches())
    assert len(batches) > 2
    last = batches[-1]["text"].dictionary.to_pylist()
    assert sorted(last) == sorted({str(n * n % 7) for n in range(7)})
    for batch in batches:
        known = batch["text"].dictionary.to_pylist()
        assert known == last[: len(known)]
    path.write_text("".join(f"value {n}\n" for n in range(5000)))
    found = texts(path, dictionary=True, range_bytes="1KB", dictionary_bytes="2KB")
    assert found == [f"value {n}" for n in range(5000)]


@pytest.mark.parametrize("ending", [b"", b"\xff\n", b"\xff\n" * 2000])
def test_bad_lines_are_told_with_a_dictionary_too(tmp_path: Path, ending: bytes) -> None:
    """Its batches are made while tasks are drawn, before anybody has one to advance."""
    path = tmp_path / "a.txt"
    path.write_bytes(
        b"".join(b"%d %s\n" % (n, b"\xfe" * (n % 700 == 3)) for n in range(5000)) + ending
    )
    told = []
    for number, shared in enumerate((False, True)):
        rejects = tmp_path / f"{number}.jsonl"
        ds = arrowsmith.open(
            path, encoding="utf-8", dictionary=shared, range_bytes="1KB",
            on_error="quarantine", rejects=str(rejects),
        )  # fmt: skip
        stats = arrowsmith.RunStats()
        rows = sum(batch.num_rows for batch in ds.batches(stats=stats))
        told.append((rows, stats.rejected, rejects.read_bytes()))
    assert told[0] == told[1]
    assert told[0][1] == 8 + ending.count(b"\n")


# --- encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_found(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("plain words\nand more\n".encode(encoding))
    assert texts(path) == ["plain words", "and more"]
    told = arrowsmith.open(path).schema.metadata[b"arrowsmith"].decode()
    assert f'"encoding": "{encoding}"' in told


def test_cp1252_is_a_guess_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("café – “quoted”\nplain\n".encode("cp1252"))
    with pytest.warns(match="is not UTF-8 and read as cp1252"):
        table = rows_of(path)
    assert table["text"].to_pylist() == ["café – “quoted”", "plain"]
    assert '"encoding_guess": true' in table.schema.metadata[b"arrowsmith"].decode()


def test_a_mark_is_that_of_the_encoding_given(tmp_path: Path) -> None:
    """UTF-16 that begins with a NUL has the bytes of the mark of UTF-32 at its head."""
    path = tmp_path / "a.txt"
    path.write_bytes("\0a\nb".encode("utf-16"))
    assert texts(path, encoding="utf-16") == ["\0a", "b"]


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "euc_kr", "big5", "koi8-r"])
def test_encodings_given(tmp_path: Path, encoding: str) -> None:
    text = {"koi8-r": "привет мир", "euc_kr": "한국어 글"}.get(encoding, "日本語 文字")
    path = tmp_path / "a.txt"
    path.write_bytes((text + "\nplain\n\n" + text).encode(encoding))
    table = rows_of(path, encoding=encoding)
    assert table["text"].to_pylist() == [text, "plain", "", text]
    first = len((text + "\n").encode(encoding))
    assert table["offset"].to_pylist() == [0, first, first + 6, first + 7]
    assert texts(path, encoding=encoding, unit="paragraphs") == [f"{text}\nplain", text]


@pytest.mark.parametrize("encoding", ["no-such", "utf-7", "cp037", "rot13", "unicode_escape"])
def test_encodings_that_will_not_do(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n")
    with pytest.raises(OptionError, match="cannot be read with encoding"):
        rows_of(path, encoding=encoding)


def test_bytes_that_are_not_of_the_encoding(tmp_path: Path) -> None:
    """The line and its place are named; the others are kept; or U+FFFD takes the place."""
    path = tmp_path / "a.txt"
    path.write_bytes("é ü\n".encode() + b"bad \xff\nfine\n")
    with pytest.raises(DataError, match=r"line 2, byte 6: byte 0xff at 4 of the row is not utf-8"):
        texts(path)
    assert texts(path, on_error="skip") == ["é ü", "fine"]
    assert texts(path, encoding_errors="replace") == ["é ü", "bad \ufffd", "fine"]
    path.write_bytes("a\nb".encode("utf-16-le") + b"\0\xd8\n\0c\0\n\0")
    assert texts(path, encoding="utf-16-le", on_error="skip") == ["a", "c"]


# --- paragraphs, blocks, documents ---------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["", " ", "a", "é b", "\t", "long line"]), min_size=1, max_size=40),
    st.sampled_from(["utf-8", "utf-16-le"]),
    st.integers(16, 64),
)
def test_paragraphs_are_runs_of_lines(
    tmp_path_factory: pytest.TempPathFactory, values: list[str], encoding: str, range_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("paragraphs") / "some.txt"
    path.write_bytes(("\n".join(values) + "\n").encode(encoding))
    wanted, line = [], None
    for number, value in enumerate([*values, ""], 1):
        if value.strip():
            line = (line or []) + [(number, value)]
        elif line:
            wanted.append((line[0][0], "\n".join(text for _, text in line)))
            line = None
    table = rows_of(path, unit="paragraphs", encoding=encoding, range_bytes=range_bytes)
    assert list(zip(table["line"].to_pylist(), table["text"].to_pylist(), strict=True)) == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
    st.sampled_from(["utf-8", "utf-16", "utf-32", "cp1252"]),
    st.sampled_from([16, 20, 64]),
    st.integers(16, 100),
)
def test_blocks_make_up_the_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str, size: int, ranged: int
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "some.txt"
    text = text.encode(encoding, "ignore").decode(encoding)
    raw = text.encode(encoding)
    path.write_bytes(raw)
    if not raw:
        return
    options = {"unit": "blocks", "block_bytes": size, "encoding": encoding}
    table = rows_of(path, range_bytes=ranged, **options)
    marked = encoding in ("utf-16", "utf-32")  # these put a mark of their own before the text
    wanted = text if marked else text.removeprefix("\ufeff")
    assert "".join(table["text"].to_pylist()) == wanted
    assert table["block"].to_pylist() == list(range(table.num_rows))
    assert table.drop_columns("source").equals(rows_of(path, **options).drop_columns("source"))
    offsets = [*table["offset"].to_pylist(), len(raw)]
    assert all(end - start <= size + 3 for start, end in itertools.pairwise(offsets))


def test_front_matter_becomes_columns(tmp_path: Path) -> None:
    """Only what would be written like that again is a number; the rest stays text."""
    first, second = tmp_path / "a.md", tmp_path / "b.md"
    first.write_text(
        "---\ntitle: 'On: YAML'\nversion: 1.10\nzip: 007\nn: 3\ndraft: true\nday: 2024-02-30\n"
        "at: 2024-02-03\ntags: [a, b]\nplace: {lat: 1.5}\ntext: mine\nnone:\n---\n# Body\n"
    )
    second.write_text("no front matter\n---\n")
    table = arrowsmith.open([first, second], format="text", unit="documents").to_table()
    row = table.drop_columns(["source"]).to_pylist()[0]
    assert row.pop("at").isoformat() == "2024-02-03"
    assert row == {
        "text": "# Body\n",
        "document": 0,
        "offset": first.read_text().index("# Body"),
        "title": "On: YAML",
        "version": "1.10",
        "zip": "007",
        "n": 3,
        "draft": True,
        "day": "2024-02-30",
        "tags": ["a", "b"],
        "place": '{"lat": 1.5}',
        "meta_text": "mine",
        "none": None,
    }
    assert table["text"].to_pylist()[1] == "no front matter\n---\n"
    assert table["n"].to_pylist() == [3, None]
    plain = rows_of(first, unit="documents", front_matter=False)
    assert plain["text"].to_pylist() == [first.read_text()]


@pytest.mark.parametrize(
    "block", ["a: &x [1]\nb: *x", "- a", "a: [1", "a: 1\na: 2", "? [a]\n: 1", "a: " + "[" * 500]
)
def test_front_matter_that_cannot_be_read(tmp_path: Path, block: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"---\n{block}\n---\nbody\n")
    with pytest.raises(DataError, match="front matter cannot be read"):
        rows_of(path, unit="documents")
    assert rows_of(path, unit="documents", on_error="skip").num_rows == 0


# --- archives ------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def tarred(members: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()


MEMBERS = {
    "a.txt": b"one\ntwo",
    "../../up.txt": b"three\n",
    "x/" * 80 + "deep.md": "vier\n".encode("utf-16"),
    "empty.txt": b"",
    "b.bin": b"\0\xff",
}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, None])
def test_members_are_sources(tmp_path: Path, form: int | None) -> None:
    """Each with lines of its own; names are labels, and links are not followed."""
    path = tmp_path / "all.bin"
    path.write_bytes(zipped(MEMBERS) if form is None else tarred(MEMBERS, form))
    found = rows_of(path).to_pylist()
    names = ["a.txt", "a.txt", "../../up.txt", "x/" * 80 + "deep.md"]
    assert [row["source"] for row in found] == [f"{path}/{name}" for name in names]
    assert [row["text"] for row in found] == ["one", "two", "three", "vier"]
    assert [row["line"] for row in found] == [1, 2, 1, 1]
    assert texts(path, unit="documents") == ["one\ntwo", "three\n", "vier\n", ""]
    assert texts(path, members="a.*") == ["one", "two"]
    with pytest.raises(DataError, match="none of its 5 members is a text"):
        rows_of(path, members="*.srt")


def test_a_member_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(zipped({"a.txt": bytes(80 << 20)}))
    with pytest.raises(RatioExceeded, match=r"a\.txt.*above the limit"):
        rows_of(path)


def test_archives_cut_short_are_errors(tmp_path: Path) -> None:
    """At any of their blocks, and under any way with bad records."""
    for name, data in (("a.tar", tarred(MEMBERS)), ("a.zip", zipped(MEMBERS))):
        path = tmp_path / name
        for size in range(512, len(data.rstrip(b"\0")), 512 if name == "a.tar" else 37):
            path.write_bytes(data[:size])
            with pytest.raises(ArrowsmithError):
                rows_of(path, on_error="skip")


# --- probing -------------------------------------------------------------------------------------


def test_text_claims_nothing_that_others_read(tmp_path: Path) -> None:
    """A suffix is all that speaks for text; binary data has no format, whatever its name."""
    path = tmp_path / "a.txt"
    path.write_text('{"a": 1}\n{"a": 2}\n')
    assert arrowsmith.open(path).schema.names == ["a"]
    path.write_text("a,b\n1,2\n3,4\n")
    assert arrowsmith.open(path).schema.names == ["a", "b"]
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UnknownFormat):
        arrowsmith.open(path)
    path = tmp_path / "unnamed"
    path.write_text("hello\nworld\n")
    with pytest.raises(UnknownFormat):
        arrowsmith.open(path)


# --- ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [b"\n", b""])
def test_ranges_may_be_read_in_any_order(tmp_path: Path, ended: bytes) -> None:
    """Whichever range is split first, by one thread or by four at once: the numbers of its lines
    are those in the file."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"\n".join(b"line %d" % n * (n % 7) for n in range(3000)) + ended)
    wanted = rows_of(path, range_bytes="64KB").drop_columns("source").to_pylist()
    assert len(wanted) == 3000
    spec = get_catalog().readers()["text"]
    with opened(spec, path, {"range_bytes": "1KB"}) as reader:
        for order in (reversed, lambda tasks: tasks, lambda tasks: tasks[1::2] + tasks[::2]):
            tasks = list(reader.tasks(ScanRequest(columns=("text", "line", "offset"))))
            assert len(tasks) > 20
            found = [row for task in order(tasks) for b in task.read() for row in b.to_pylist()]
            assert sorted(found, key=lambda row: row["line"]) == wanted
        tasks = list(reader.tasks(ScanRequest(columns=("text", "line", "offset"))))
        with ThreadPoolExecutor(4) as pool:
            batches = list(pool.map(lambda task: list(task.read()), tasks))
        assert [row for each in batches for b in each for row in b.to_pylist()] == wanted


def test_a_range_that_fails_keeps_no_other_waiting(tmp_path: Path) -> None:
    """Lines behind it have their numbers all the same."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\n" * 400 + b"b\xe4d\n" + b"good\n" * 400)
    spec = get_catalog().readers()["text"]
    with opened(spec, path, {"range_bytes": "1KB", "encoding": "utf-8"}) as reader:
        tasks = list(reader.tasks(ScanRequest()))
        lines = []
        for task in tasks:
            with suppress(DataError):
                lines += [row["line"] for b in task.read() for row in b.to_pylist()]
    assert lines[-1] == 801
    assert len(lines) < 801


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [("utf-8", b"\xff"), ("cp1252", b"\x81"), ("utf-16-le", b"\x00\xd8"), ("shift_jis", b"\xff")],
)
def test_where_a_document_begins_behind_replaced_characters(
    tmp_path: Path, encoding: str, bad: bytes
) -> None:
    """What stands for a bad byte does not take as many bytes."""
    path = tmp_path / "a.md"
    head = "---\ntitle: ".encode(encoding) + bad + "\n---\n".encode(encoding)
    path.write_bytes(head + "body\n".encode(encoding))
    table = rows_of(path, unit="documents", encoding=encoding, encoding_errors="replace")
    assert table["offset"].to_pylist() == [len(head)]
    assert table["text"].to_pylist() == ["body\n"]


def test_front_matter_that_is_called_as_columns_are(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("---\ntext: a\nmeta_text: b\nsource: c\n---\nbody\n")
    row = rows_of(path, unit="documents").to_pylist()[0]
    named = {"meta_meta_text": "a", "meta_text": "b", "meta_source": "c", "text": "body\n"}
    assert named.items() <= row.items()


def test_front_matter_of_types_that_are_given(tmp_path: Path) -> None:
    """Files that disagree become one dataset; a value that does not fit is a bad record."""
    (tmp_path / "a.md").write_text("---\nversion: 1.10\nn: 1\n---\nx\n")
    (tmp_path / "b.md").write_text("---\nversion: 2\nn: one\n---\ny\n")
    (tmp_path / "c.md").write_text("z\n")
    whole = {"format": "text", "unit": "documents"}
    with pytest.raises(ArrowsmithError, match="-r types="):
        arrowsmith.open(tmp_path, **whole).to_table()
    types = {"version": "string", "n": "string", "other": "date"}
    table = arrowsmith.open(tmp_path, types=types, **whole).to_table()
    assert table["version"].to_pylist() == ["1.10", "2", None]
    assert table["n"].to_pylist() == ["1", "one", None]
    assert table.schema.field("other").type == pa.date32()
    types = {"version": "string", "n": "int64"}
    with pytest.raises(DataError, match="'n' of the front matter is no int64: 'one'"):
        arrowsmith.open(tmp_path, types=types, **whole).to_table()
    kept = arrowsmith.open(tmp_path, types=types, on_error="skip", **whole).to_table()
    assert kept["text"].to_pylist() == ["x\n", "z\n"]
