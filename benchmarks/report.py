"""Turn a run's figures into tables, plain or Markdown. MB is 10**6 bytes."""

from __future__ import annotations

from typing import Any

OURS = "arrowsmith"


def _mb(value: int | None) -> str:
    return "" if value is None else f"{value / 1e6:.1f}"


def _rows(task: dict[str, Any]) -> list[dict[str, str]]:
    peers = [r["wall"] for r in task["results"] if not r["failure"] and r["contestant"] != OURS]
    best = min(peers, default=None)
    rows = []
    for result in task["results"]:
        row = {"contestant": result["contestant"]}
        rows.append(row)
        if result["failure"]:
            row["wall s"] = "failed"
            continue
        digits = 2 if result["wall"] > 0.1 else 4
        row["wall s"] = f"{result['wall']:.{digits}f}"
        row["from..to"] = f"{min(result['walls']):.{digits}f}..{max(result['walls']):.{digits}f}"
        row["CPU s"] = f"{result['cpu']:.2f}"
        row["peak MB"] = _mb(result["peak"])
        if result["baseline"] is not None:
            row["growth MB"] = _mb(result["peak"] - result["baseline"])
            row["own count MB"] = _mb(result["told"])
        row["file MB"] = _mb(result["output"])
        row["wall / best peer"] = f"{result['wall'] / best:.2f}" if best else ""
        if task["floor"]:
            row["floor / wall"] = f"{task['floor'] / result['wall']:.0%}"
    return rows


def _table(rows: list[dict[str, str]], *, markdown: bool) -> list[str]:
    """Aligned columns; those that are empty in every row are left out."""
    names: dict[str, None] = {}
    for row in sorted(rows, key=len, reverse=True):
        names.update(dict.fromkeys(key for key, value in row.items() if value))
    widths = {n: max(len(n), *(len(row.get(n, "")) for row in rows)) for n in names}

    def line(values: dict[str, str]) -> str:
        cells = [
            values.get(n, "").ljust(w) if n == "contestant" else values.get(n, "").rjust(w)
            for n, w in widths.items()
        ]
        return f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()

    lines = [line({n: n for n in names})]
    if markdown:
        marks = ("-" * w if n == "contestant" else "-" * (w - 1) + ":" for n, w in widths.items())
        lines.append(f"| {' | '.join(marks)} |")
    return lines + [line(row) for row in rows]


def render(document: dict[str, Any], *, markdown: bool) -> str:
    """The whole report as text."""
    lines = [
        f"{'- ' if markdown else ''}{key}: {value}" for key, value in document["machine"].items()
    ]
    lines.append(f"{'- ' if markdown else ''}rounds: {document['rounds']}")
    for task in document["tasks"]:
        title = f"{task['title']}: {task['input_bytes'] / 1e6:.0f} MB in"
        lines += ["", f"### {title}" if markdown else title, ""]
        lines += _table(_rows(task), markdown=markdown)
        notes = [
            f"{result['contestant']} failed: {result['failure']}"
            for result in task["results"]
            if result["failure"]
        ]
        notes += [
            f"{r['contestant']}: growth of {_mb(r['peak'] - r['baseline'])} MB is over the budget"
            for r in task["results"]
            if not r["failure"]
            and r["baseline"] is not None
            and r["peak"] - r["baseline"] > task["budget"]
        ]
        if notes:
            lines += ["", *notes]
    return "\n".join(lines)
