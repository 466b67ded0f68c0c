"""``python -m arrowsmith``: the command line."""

from __future__ import annotations

from arrowsmith.cli import program

if __name__ == "__main__":
    program()
