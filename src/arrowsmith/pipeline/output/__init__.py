"""Where a run's rows go: one file, a directory of shards, or a directory per partition value."""

from __future__ import annotations

from arrowsmith.pipeline.output.cuts import Cut, Cutter, WholeCutter
from arrowsmith.pipeline.output.destination import Destination
from arrowsmith.pipeline.output.outputs import Output, open_output
from arrowsmith.pipeline.output.shape import Shape

__all__ = ["Cut", "Cutter", "Destination", "Output", "Shape", "WholeCutter", "open_output"]
