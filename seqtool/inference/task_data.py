"""Prepare the task of a trained model with its data."""

from seqtool.build.assembly import prepared_task
from seqtool.build.torch_settings import default_settings
from seqtool.errors import SeqtoolError
from seqtool.parts.task import Task, changed_entries
from seqtool.recipe import Variant
from seqtool.recipe.moved_data import suggest_data


@default_settings()
def task_with_data(variant: Variant, trained: Task) -> Task:
    """The variant's task with its data, which must be those of `trained`, the task restored from the run.

    Raises:
        SeqtoolError: the data are missing or have changed.
    """
    with suggest_data(variant):
        task = prepared_task(variant)
    sides = ("source_vocabulary", "target_vocabulary")
    changed = ["vocabularies"] if any(getattr(task, side) != getattr(trained, side) for side in sides) else []
    changed = changed or changed_entries(trained.state(), task.state())
    if changed:
        raise SeqtoolError(
            f"the data of this run's task have changed since training: {', '.join(changed)} differ\n"
            "    allowed: the original data; predict needs none"
        )
    return task
