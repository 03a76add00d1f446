"""The verbs of the command line, in the order of `seqtool --help`."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)
VERBS = (
    ("run", "run", "Train the variants of a recipe, and compare them."),
    ("predict", "predict", "Predict with a trained model, line by line."),
    ("evaluate", "evaluate", "Measure a trained model on a split, with intervals."),
    ("verify", "verify", "Compare published numbers with the results of a recipe."),
    ("intervene", "intervene", "Measure a trained model under an attention intervention."),
    ("report", "report", "Write the HTML report of a run: curves, alignments, mistakes."),
    ("compare", "compare", "Compare variants and runs: recipes, metrics, alignments, cost."),
    ("plot", "plot", "Draw a run for print: losses, alignments, entropy."),
    ("watch", "watch", "Show the progress of a run."),
    ("validate", "validate", "Check recipes, and report all problems."),
    ("show", "show", "Show a resolved recipe, and the origin of each value."),
    ("list", "list_", "List the parts that plugins provide."),
    ("describe", "describe", "Describe one part: its equation, its options, its source."),
    ("explain", "explain", "Explain one part: its equation, plain Python code and a worked example."),
    ("plugins", "plugins", "List all plugins, including broken ones."),
    ("doctor", "doctor", "Check this installation and its devices."),
)
"""Name, module of seqtool.cli, and one line of help."""


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The verbs of seqtool."""
    for name, module, summary in VERBS:
        yield Component("verb", name, f"seqtool.cli.{module}:command", summary)
