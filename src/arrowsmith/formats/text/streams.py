"""The texts of a source: the file itself, or the members of an archive, ready to be cut."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator

import numpy as np

from arrowsmith.errors import DataError
from arrowsmith.formats.text.archive import Member, tar_members, zip_members
from arrowsmith.formats.text.encodings import Coding, coding_of
from arrowsmith.formats.text.layout import CR, LF, Ends, count_lines
from arrowsmith.formats.text.options import TextReadOptions
from arrowsmith.formats.text.probe import TEXT_SUFFIXES, is_tar, is_zip
from arrowsmith.formats.text.ranges import Fill, Text
from arrowsmith.plugin.protocols import RunContext, Source

SAMPLE = 64 << 10


def is_archive(head: bytes) -> bool:
    return is_zip(head) or is_tar(head)


def ends_of(head: bytes, coding: Coding, options: TextReadOptions) -> Ends:
    """What ends the lines of a text that begins with ``head``."""
    if options.line_end == "lf":
        return Ends(LF, trim=False)
    if options.line_end == "cr":
        return Ends(CR, trim=False)
    feed, back = (mark.encode(coding.name) for mark in "\n\r")
    alone = feed not in head and back in head[: -coding.unit]
    return Ends(CR, trim=False) if alone else Ends()


def density_of(head: bytes, coding: Coding, ends: Ends) -> float:
    """Lines of a byte."""
    return count_lines(np.frombuffer(head, np.uint8), coding, ends) / max(len(head), 1)


def told(source: str, head: bytes, options: TextReadOptions, ctx: RunContext) -> Coding:
    """The encoding of a text, with a warning where it is a guess."""
    coding = coding_of(head, options.encoding)
    if coding.fallback:
        ctx.warn(
            f"{source}: is not UTF-8 and read as cp1252; say what it is with -r encoding=NAME, "
            "or -r encoding=utf-8 to have what is not UTF-8 as bad records"
        )
    return coding


def archive_texts(
    source: Source, head: bytes, options: TextReadOptions, ctx: RunContext
) -> Iterator[tuple[Member, Text]]:
    """The texts of the members that are wanted, each to be read before the next is asked for.

    Raises:
        DataError: no member is wanted.
    """
    found, others = 0, 0
    for member in zip_members(source, ctx) if is_zip(head) else tar_members(source, ctx):
        if not _wanted(member.name, options):
            others += 1
            continue
        found += 1
        name = f"{source.path}/{member.name}"
        sample = bytearray(SAMPLE)
        sample = sample[: member.fill(memoryview(sample))]
        coding = told(name, bytes(sample), options, ctx)
        ends = ends_of(bytes(sample), coding, options)
        fill = _behind(memoryview(sample)[coding.mark :], member.fill)
        line = 0 if options.unit == "blocks" else 1
        density = density_of(bytes(sample), coding, ends)
        yield member, Text(name, fill, coding, ends, coding.mark, line, density=density)
    if not found:
        raise DataError(
            f"none of its {others} members is a text",
            path=source.path,
            hint="say which are with -r members=PATTERN, such as *.srt",
        )


def _wanted(name: str, options: TextReadOptions) -> bool:
    if options.members:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in options.members)
    base = name.rsplit("/", 1)[-1]
    return base.lower().endswith(TEXT_SUFFIXES) and not base.startswith("._")


def _behind(first: memoryview, rest: Callable[[memoryview], int]) -> Fill:
    """Fills with what was read already, then with what follows."""
    left = first

    def fill(view: memoryview) -> int:
        nonlocal left
        count = min(len(left), len(view))
        view[:count] = left[:count]
        left = left[count:]
        return count + (rest(view[count:]) if count < len(view) else 0)

    return fill
