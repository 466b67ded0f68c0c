"""Option dataclasses: values from the command line and from Python, checked and described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowsmith.errors import OptionError, PluginError
from arrowsmith.plugin import (
    NoOptions,
    OptionInfo,
    build_options,
    describe_options,
    option,
    parse_size,
)


@dataclass(frozen=True, slots=True)
class Options:
    text: str = option(",", help="between two fields")
    count: int = option(5, min=1, max=10)
    ratio: float = option(0.5, min=0)
    flag: bool = False
    maybe: int | None = None
    maybe_text: str | None = None
    mode: Literal["sample", "full", "none"] = "sample"
    header: bool | int | Literal["auto"] = "auto"
    names: tuple[str, ...] = ()
    pair: tuple[int, int] = (0, 0)
    types: Mapping[str, str] = option({})
    block: int = option(8 << 20, size=True, min=1024)
    level: int | None = option(None, choices=(1, 3, 9))
    anything: Any = None


def build(**given: object) -> Options:
    return build_options(Options, given, owner="foo")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", "none", "none"),
        ("text", "", ""),
        ("count", "7", 7),
        ("count", 10, 10),
        ("ratio", "1e3", 1000.0),
        ("ratio", 2, 2.0),
        ("flag", "yes", True),
        ("flag", "OFF", False),
        ("flag", True, True),
        ("maybe", "none", None),
        ("maybe", "3", 3),
        ("maybe", None, None),
        ("maybe_text", "none", "none"),
        ("maybe_text", None, None),
        ("mode", "none", "none"),
        ("header", "1", 1),
        ("header", "true", True),
        ("header", False, False),
        ("header", "auto", "auto"),
        ("names", "a,b", ("a", "b")),
        ("names", ["a", "b"], ("a", "b")),
        ("names", "", ()),
        ("names", ",NA", ("", "NA")),
        ("names", '"a,b", c ," "', ("a,b", "c", " ")),
        ("names", '"say ""hi"""', ('say "hi"',)),
        ("pair", "3,4", (3, 4)),
        ("types", "a:int64, b:string", {"a": "int64", "b": "string"}),
        ("types", {"a": "int64"}, {"a": "int64"}),
        ("types", "", {}),
        (
            "types",
            "a:decimal128(10,2),b:timestamp[us, tz=+05:00],c:struct<x: int64, y: string>",
            {
                "a": "decimal128(10,2)",
                "b": "timestamp[us, tz=+05:00]",
                "c": "struct<x: int64, y: string>",
            },
        ),
        ("types", '"a,b":int8,"c:d":int16', {"a,b": "int8", "c:d": "int16"}),
        ("block", "64MB", 64 << 20),
        ("block", 2048, 2048),
        ("level", "3", 3),
        ("level", "none", None),
        ("anything", "7", "7"),
    ],
)
def test_values_become_the_type_of_their_field(name: str, value: object, expected: object) -> None:
    result = getattr(build(**{name: value}), name)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("text", 3, "str"),
        ("count", "0", "int (1 to 10)"),
        ("count", "x", "int (1 to 10)"),
        ("count", 1.5, "int (1 to 10)"),
        ("count", True, "int (1 to 10)"),
        ("count", None, "int (1 to 10)"),
        ("ratio", "nan", "float (at least 0)"),
        ("ratio", "-1", "float (at least 0)"),
        ("flag", "maybe", "true|false"),
        ("flag", 1, "true|false"),
        ("maybe", "x", "int|none"),
        ("mode", "Full", "sample|full|none"),
        ("header", "x", "true|false|int|auto"),
        ("names", 3, "str,..."),
        ("names", {"a"}, "str,..."),
        ("names", '"a', "str,..."),
        ("pair", "1", "int,int"),
        ("types", "a", "name:str,..."),
        ("types", "a:x,a:y", "name:str,..."),
        ("types", ["a"], "name:str,..."),
        ("block", "1", "size (at least 1KB)"),
        ("block", "-5", "size (at least 1KB)"),
        ("block", "64XB", "size (at least 1KB)"),
        ("level", "2", "1|3|9"),
    ],
)
def test_a_bad_value_names_option_value_and_what_is_expected(
    name: str, value: object, takes: str
) -> None:
    with pytest.raises(OptionError) as caught:
        build(**{name: value})
    assert str(caught.value) == f"foo option {name!r} cannot be {value!r}; it takes {takes}"


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(OptionError) as caught:
        build(count="9" * 10_000)
    assert len(str(caught.value)) < 200


def test_an_unknown_option_names_the_nearest_and_lists_all() -> None:
    with pytest.raises(OptionError, match=r"foo has no option 'heeder'; did you mean 'header'\?"):
        build(heeder=1)
    with pytest.raises(OptionError, match="its options are anything, block, count"):
        build(zzz=1)
    with pytest.raises(OptionError, match="it takes no options"):
        build_options(NoOptions, {"a": 1}, owner="foo")


def test_a_dash_stands_for_an_underscore() -> None:
    assert build_options(Options, {"maybe-text": "x"}, owner="foo").maybe_text == "x"
    with pytest.raises(OptionError, match="'maybe_text' is given twice"):
        build_options(Options, {"maybe-text": "x", "maybe_text": "y"}, owner="foo")


@dataclass(frozen=True)
class Checked:
    low: int = option(help="the lower bound")
    high: int = option(9)

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def test_a_required_option_and_a_check_across_options() -> None:
    with pytest.raises(OptionError, match="foo needs the option 'low'; it takes int"):
        build_options(Checked, {}, owner="foo")
    with pytest.raises(OptionError, match="foo options do not fit: low is above high"):
        build_options(Checked, {"low": "10"}, owner="foo")


def test_options_that_are_not_a_dataclass_are_the_plugins_fault() -> None:
    with pytest.raises(PluginError, match="options of foo are not a dataclass"):
        build_options(dict, {}, owner="foo")


def test_a_default_mapping_is_not_shared() -> None:
    assert build().types == {}
    assert build().types is not build().types


def test_options_are_described_as_they_are_typed() -> None:
    described = {info.name: info for info in describe_options(Options)}
    assert list(described) == list(Options.__dataclass_fields__)
    assert described["text"] == OptionInfo("text", "str", ",", "between two fields")
    assert described["block"] == OptionInfo("block", "size (at least 1KB)", "8MB", "")
    assert described["mode"].type == "sample|full|none"
    assert described["maybe"].default == "none"
    assert describe_options(Checked)[0] == OptionInfo("low", "int", None, "the lower bound")
    assert describe_options(NoOptions) == []


def test_described_defaults_build_the_defaults() -> None:
    texts = {info.name: info.default for info in describe_options(Options)}
    for name in ("maybe_text", "anything"):  # strings there stay strings
        del texts[name]
    assert build(**texts) == build()


@given(st.lists(st.text()), st.dictionaries(st.text(), st.text()))
def test_lists_and_mappings_come_back_from_what_is_described(
    words: list[str], kinds: dict[str, str]
) -> None:
    @dataclass(frozen=True)
    class Given:
        names: tuple[str, ...] = tuple(words)
        types: Mapping[str, str] = option(kinds)

    texts = {info.name: info.default for info in describe_options(Given)}
    assert build_options(Given, texts, owner="foo") == Given()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("100", 100),
        ("100B", 100),
        ("12 bytes", 12),
        ("1k", 1 << 10),
        ("1KB", 1 << 10),
        ("1 KiB", 1 << 10),
        ("512MB", 512 << 20),
        ("1.5GB", 3 << 29),
        ("2TiB", 2 << 40),
        (4096, 4096),
    ],
)
def test_sizes_are_powers_of_1024(text: int | str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", "1 PB", "1e9", "0x10", "1,5GB", "9" * 50, -1, 1.5]
)
def test_what_is_not_a_size_is_an_option_error(text: Any) -> None:
    with pytest.raises(OptionError, match="is not a size in bytes; write it like 512MB"):
        parse_size(text)
