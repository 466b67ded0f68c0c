"""``--save-state`` and ``--load-state``: what fitted transforms learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arrowsmith.dataset import Dataset


def with_state(steps: list[Any], given: dict[str, Any]) -> list[Any]:
    """The steps with what ``--load-state`` has; ``--save-state`` is checked before the run."""
    load, save = given["load_state"], given["save_state"]
    if load is None and save is None:
        return steps
    from arrowsmith.location import FileTarget
    from arrowsmith.pipeline.state import check_fitted, load_state

    check_fitted(steps)
    if save is not None:
        FileTarget(save, overwrite=given["overwrite"])
    return load_state(load, steps) if load is not None else steps


def save_state(path: str, steps: list[Any], dataset: Dataset, *, overwrite: bool) -> None:
    """Write what the steps have learned in the run that has just succeeded."""
    from arrowsmith.pipeline import state

    state.save_state(path, [*dataset.verbs, *steps], dataset.learned, overwrite=overwrite)
