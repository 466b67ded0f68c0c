"""The transforms of text, judged by Python's unicodedata, re and collections."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.errors import ArrowsmithError, DataError, OptionError, SchemaMismatch

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs", "Cn"])), min_size=1)


def opened(folder: Path, **columns: object) -> arrowsmith.Dataset:
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    return arrowsmith.open(path)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.sampled_from(["nfc", "nfkc", "nfd", "nfkd", "keep"]))
def test_normalize_text(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None], form: str
) -> None:
    ds = opened(tmp_path_factory.mktemp("normal"), text=pa.array(values, pa.string()))
    found = ds.transform("normalize_text", form=form).to_table()["text"].to_pylist()
    wanted = []
    for value in values:
        if value is not None:
            value = value if form == "keep" else unicodedata.normalize(form.upper(), value)
            value = "".join(c for c in value if c in "\t\n\v\f\r\x85" or not _is_control(c))
            value = re.sub(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+",
                           " ", value).strip(" ")  # fmt: skip
        wanted.append(value)
    assert found == wanted


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def test_normalize_text_keeps_what_it_is_told(tmp_path: Path) -> None:
    ds = opened(tmp_path, text=[" a\x07\t b\n"])
    found = ds.transform("normalize_text", whitespace="keep").to_table()["text"].to_pylist()
    assert found == [" a\t b\n"]
    found = ds.transform("normalize_text", whitespace="trim", control="space").to_table()
    assert found["text"].to_pylist() == ["a \t b"]


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_words(tmp_path_factory: pytest.TempPathFactory, values: list[str | None]) -> None:
    ds = opened(tmp_path_factory.mktemp("words"), text=pa.array(values, pa.string()))
    table = ds.transform("tokenize").transform("text_stats").to_table()
    for row in table.to_pylist():
        text = row["text"]
        if text is None:
            assert row["tokens"] is None
            assert row["text_chars"] is None
            continue
        marked = "".join(
            c if unicodedata.category(c)[0] in "LMN" or c == "_" else " " for c in text
        )
        assert row["tokens"] == [word for word in marked.split(" ") if word]
        assert row["text_words"] == len(row["tokens"])
        assert (row["text_chars"], row["text_bytes"]) == (len(text), len(text.encode()))
        assert row["text_lines"] == len(text.split("\n")) - (text == "" or text.endswith("\n"))


def test_a_tokenizer_that_is_not_there(tmp_path: Path) -> None:
    ds = opened(tmp_path, text=["a"])
    with pytest.raises(ArrowsmithError, match=r"tokenizers is not installed|cannot be read"):
        ds.transform("tokenize", tokenizer=str(tmp_path / "none.json")).to_table()
    with pytest.raises(OptionError, match="words have no ids"):
        ds.transform("tokenize", output="ids").to_table()


def test_a_tokenizer_of_hugging_face(tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers", reason="the extra tokenizers is not installed")
    made = library.Tokenizer(library.models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, "[UNK]"))
    made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    ds = opened(tmp_path, text=["a b c", None, ""])
    found = ds.transform("tokenize", tokenizer=str(path), output="ids", into="ids").to_table()
    assert found["ids"].to_pylist() == [[1, 2, 0], None, []]
    found = ds.transform("tokenize", tokenizer=str(path)).to_table()
    assert found["tokens"].to_pylist() == [["a", "b", "[UNK]"], None, []]


def test_vocab(tmp_path: Path) -> None:
    """Special entries, then by falling frequency and by bytes; rare ones are unknown."""
    lists = [["b", "a", "a"], [], None, ["c", "é", "b", "a"], ["d"]]
    ds = opened(tmp_path, tokens=pa.array(lists, pa.list_(pa.string())))
    seen = ds.transform("vocab", size=6)
    counts = Counter(token for one in lists for token in one or [])
    order = sorted(counts, key=lambda token: (-counts[token], token.encode()))[:4]
    ids = {token: number for number, token in enumerate(["<pad>", "<unk>", *order])}
    wanted = [None if one is None else [ids.get(token, 1) for token in one] for one in lists]
    assert seen.to_table()["ids"].to_pylist() == wanted
    seen.save_state(tmp_path / "state.json")
    assert json.dumps(["<pad>", "<unk>", *order], ensure_ascii=True)[1:-1] in json.dumps(
        json.loads((tmp_path / "state.json").read_text())
    )
    with pytest.raises(DataError, match=r"has the token '.', which is not in the vocabulary"):
        ds.transform("vocab", size=3, unknown="", specials="<pad>").to_table()
    with pytest.raises(DataError, match="more than 3 distinct values"):
        ds.transform("vocab", max_distinct=3).to_table()


def test_vocab_of_texts(tmp_path: Path) -> None:
    ds = opened(tmp_path, word=["x", "y", "x", None])
    found = ds.transform("vocab", column="word", into="n", specials="<unk>").to_table()
    assert found["n"].to_pylist() == [1, 2, 1, None]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=20),
    st.integers(1, 9),
    st.none() | st.just(99),
    st.integers(1, 7),
)
def test_pack(
    tmp_path_factory: pytest.TempPathFactory,
    lists: list[list[int] | None],
    length: int,
    separator: int | None,
    batch_rows: int,
) -> None:
    """Against a loop over tokens, for any batches."""
    ds = opened(tmp_path_factory.mktemp("pack"), ids=pa.array(lists, pa.list_(pa.int64())))
    packed = ds.transform("pack", length=length, separator=separator, pad=-1)
    batches = list(packed.batches(batch_rows=batch_rows))
    found = pa.Table.from_batches(batches, packed.schema).to_pylist()
    stream = []
    for document in lists:
        tokens = list(document or [])
        tokens += [separator] if tokens and separator is not None else []
        stream += [(token, place == 0) for place, token in enumerate(tokens)]
    wanted = []
    for start in range(0, len(stream), length):
        part = stream[start : start + length]
        ids, positions, documents, boundaries = [], [], [], []
        for place, (token, begins) in enumerate(part):
            fresh = begins or place == 0
            ids.append(token)
            positions.append(0 if fresh else positions[-1] + 1)
            documents.append((documents[-1] if documents else 0) + fresh)
            boundaries += [place] if begins else []
        missing = length - len(part)
        wanted.append(
            {
                "ids": ids + [-1] * missing,
                "positions": positions + [0] * missing,
                "documents": documents + [0] * missing,
                "boundaries": boundaries,
            }
        )
    assert found == wanted
    dropped = ds.transform("pack", length=length, separator=separator, last="drop")
    assert dropped.count() == len(stream) // length


def test_pack_refuses_what_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="not lists of whole numbers"):
        opened(tmp_path, ids=["a"]).transform("pack", length=2).to_table()
    big = pa.array([[1 << 40]], pa.list_(pa.int64()))
    with pytest.raises(DataError, match="no int32"):
        opened(tmp_path, ids=big).transform("pack", length=2).to_table()
    with pytest.raises(DataError, match="null among its tokens"):
        opened(tmp_path, ids=pa.array([[None]], pa.list_(pa.int32()))).transform(
            "pack", length=2
        ).to_table()


def test_from_text_to_sequences(tmp_path: Path) -> None:
    """The whole way, and what comes behind the last sequence passes the steps behind it."""
    path = tmp_path / "a.txt"
    path.write_text("".join(f"the {n} words of line {n % 5}\n" for n in range(3000)))
    ds = arrowsmith.open(path, range_bytes="4KB").transform("tokenize").transform("vocab")
    packed = ds.transform("pack", length=64).select("positions", "ids").to_table()
    tokens = np.concatenate([np.array(one) for one in ds.to_table()["ids"].to_pylist()])
    ids = np.concatenate([np.array(one) for one in packed["ids"].to_pylist()])
    assert packed.num_rows == -(-len(tokens) // 64)
    assert (ids[: len(tokens)] == tokens).all()
    assert not ids[len(tokens) :].any()
