"""The pipeline: source -> workers -> ordered output -> sink, inside a memory budget."""

from __future__ import annotations

from arrowsmith.pipeline.config import PipelineConfig, RunStats
from arrowsmith.pipeline.output.shape import Shape
from arrowsmith.pipeline.run import ErrorPolicy, Pipeline

__all__ = ["ErrorPolicy", "Pipeline", "PipelineConfig", "RunStats", "Shape"]
