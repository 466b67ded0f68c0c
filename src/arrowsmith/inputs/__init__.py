"""Several files as one reader: probing, one schema for all, and the tasks of all files in order."""

from __future__ import annotations

from arrowsmith.inputs.groups import members_of
from arrowsmith.inputs.input import Input
from arrowsmith.inputs.marks import Mark
from arrowsmith.inputs.opening import open_input

__all__ = ["Input", "Mark", "members_of", "open_input"]
