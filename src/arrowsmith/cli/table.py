"""Tables for people: cells cut to fit, controls escaped, null unlike any text."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import ASCII2, SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from arrowsmith.cli.terminal import escaped, put

_WIDEST = 60  # cells a column may take
_NARROWEST = 8  # below this a column says nothing: rather leave out columns
_GAP = 3  # cells between two columns


def show(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Iterable[int] = (),
    widest: int = _WIDEST,
) -> int:
    """Draw a table on stdout.

    Args:
        columns: headings.
        rows: values as :func:`arrowsmith.cli.values.plain` gives them; None is shown as null.
        right: numbers of the columns that are aligned to the right.
        widest: most cells that a column takes.

    Returns:
        How many of the last columns were left out because the terminal is too narrow.
    """
    cells = [[_cell(value, widest) for value in row] for row in rows]
    heads = [_shortened(escaped(name), widest) for name in columns]
    wide = [
        max([cell_len(head), *(row[at].cell_len for row in cells)]) for at, head in enumerate(heads)
    ]
    # Without a terminal there is nothing to fit into.
    fitted = fit(wide, shutil.get_terminal_size().columns) if _on_terminal() else wide
    _draw(heads, cells, fitted, set(right))
    return len(columns) - len(fitted)


def fit(widths: Sequence[int], total: int) -> list[int]:
    """Widths of the columns that fit into ``total`` cells, the widest cut first.

    Example:
        >>> fit([4, 60], 40), fit([20, 20, 20], 25)
        ([4, 33], [11, 11])
    """
    fitted = list(widths)
    while len(fitted) > 1 and _needed(min(width, _NARROWEST) for width in fitted) > total:
        fitted.pop()
    over = _needed(fitted) - total
    while over > 0 and max(fitted) > _NARROWEST:
        fitted[fitted.index(max(fitted))] -= 1
        over -= 1
    return fitted


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _needed(widths: Iterable[int]) -> int:
    return sum(width + _GAP for width in widths) - _GAP


def _cell(value: Any, widest: int) -> Text:
    if value is None:
        return Text("null", style="dim italic")
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    return Text(_shortened(escaped(value[: 4 * widest]), widest))


def _shortened(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, max(width - 1, 0)).rstrip()}…"


def _cut(cell: Text, width: int) -> Text:
    return Text(_shortened(cell.plain, width), style=cell.style)


def _draw(heads: list[str], cells: list[list[Text]], fitted: list[int], right: set[int]) -> None:
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    table = Table(box=SIMPLE_HEAD if utf8 else ASCII2, show_edge=False, pad_edge=False)
    for at, width in enumerate(fitted):
        head = Text(_shortened(heads[at], width))
        side = "right" if at in right else "left"
        table.add_column(head, no_wrap=True, justify=side, min_width=width)  # type: ignore[arg-type]
    for row in cells:
        table.add_row(*(_cut(cell, width) for cell, width in zip(row, fitted, strict=False)))
    # Even a capturing console writes to stdout itself, where an error would not say so.
    drawn = io.StringIO()
    width = _needed(fitted) + 1
    console = Console(
        file=drawn,
        force_terminal=_on_terminal() or None,
        width=width,
        highlight=False,
        emoji=False,
        markup=False,
    )
    console.print(table)
    for line in drawn.getvalue().splitlines():
        put(line.rstrip())
