from __future__ import annotations


class CannotBeShown(Exception):
    def __str__(self) -> str:
        raise RuntimeError


raise CannotBeShown
