"""The verbs of the command line, in the order in which `seqtool --help` lists them."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)
VERBS = (
    ("run", "run", "Train the variants of a recipe, and compare them."),
    ("predict", "predict", "Write what a trained model predicts, line by line."),
    ("evaluate", "evaluate", "Measure a trained model on a split, with intervals."),
    ("verify", "verify", "Compare a published number with what its recipe obtains."),
    ("intervene", "intervene", "Measure a trained model under an attention intervention."),
    ("report", "report", "Write a run's report as one page: curves, alignments, mistakes."),
    ("compare", "compare", "Compare variants and runs: recipes, metrics, alignments, cost."),
    ("plot", "plot", "Draw a run for print: losses, alignments, entropy."),
    ("watch", "watch", "Show the progress of a run that is training."),
    ("validate", "validate", "Check a recipe, and report everything that is wrong with it."),
    ("show", "show", "Show a resolved recipe, and where each value came from."),
    ("list", "list_", "List the parts that plugins bring."),
    ("describe", "describe", "Describe one part: its equation, its options, its source."),
    ("explain", "explain", "Work through one part's equation, in plain Python and small numbers."),
    ("plugins", "plugins", "List the plugins that were found, also the broken ones."),
    ("doctor", "doctor", "Check this installation and its devices."),
)
"""The name, the module of seqtool.cli that has the command, and one line of help."""


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The verbs of seqtool."""
    for name, module, summary in VERBS:
        yield Component("verb", name, f"seqtool.cli.{module}:command", summary)
