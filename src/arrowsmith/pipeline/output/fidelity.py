"""What a format will not give back of a run's columns, told before the first row is written."""

from __future__ import annotations

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.pipeline.output.destination import Destination
from arrowsmith.plugin.specs import Loss
from arrowsmith.plugin.types import families

_SHOWN = 3  # columns by name


def warn_of_losses(destination: Destination, schema: pa.Schema, context: Context) -> None:
    """Warn, in one line, of columns whose values will not come back from the file.

    Not told are losses that depend on the values, of which the sink knows more, and types that come
    back as others with equal values: text formats would warn at every run.
    """
    columns = {
        field.name: families(field.type)
        for field in schema
        if field.name not in destination.shape.partition_columns
    }
    told = []
    for loss in destination.spec.capabilities.losses:
        if isinstance(loss, Loss) and _certain(loss, destination.options):
            names = [name for name, known in columns.items() if loss.concerns(known)]
            if names:
                told.append(f"{loss.what} ({_listed(names)})")
    if told:
        context.warn(f"{destination.spec.name} does not keep everything: {'; '.join(told)}")


def _certain(loss: Loss, options: object) -> bool:
    return loss.kind == "value" and not loss.data and loss.happens(options)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
