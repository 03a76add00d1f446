"""PyYAML's syntax errors in plain words, and at the line that caused them."""

from typing import Any

import yaml

from seqtool.recipe.yaml_internals import text_before

_OPENERS = ("while parsing a flow", "while scanning a quoted scalar", "while scanning a simple key")
_WORDS = (
    ("mapping values are not allowed", "a ':' where no key can stand: wrong indentation, or a ':' missing above"),
    ("could not find expected ':'", "a key without ':' after it"),
    ("expected <block end>", "wrong indentation, or a bracket or quote too many"),
    ("expected ',' or '}'", "this '{' is not closed, or a ',' is missing inside"),
    ("expected ',' or ']'", "this '[' is not closed, or a ',' is missing inside"),
    ("found unexpected end of stream", "this quote is not closed"),
    ("found unknown escape character", "a backslash in double quotes that starts no known escape"),
    ("cannot start any token", "a character that cannot start a value, or a tab; quote it, and indent by spaces"),
    ("found undefined alias", "an alias (*name) whose anchor (&name) does not stand before it"),
    ("found duplicate anchor", "an anchor (&name) that stands twice"),
    ("but found another document", "a second document (---): a recipe is one"),
    ("found undefined tag handle", "tags are not allowed in a recipe"),
    ("did not find expected <document start>", "text outside the document"),
    ("expected '<document start>'", "wrong indentation, or text after the end of the recipe"),
)


def describe_syntax_error(error: yaml.MarkedYAMLError) -> str:
    """What is wrong, in words that do not need YAML's grammar."""
    problem = " ".join(filter(None, (error.context, error.problem)))
    for marker, words in _WORDS:
        if marker in problem:
            return f"not YAML: {words}"
    return f"not YAML: {error.problem or error.context}"


def locate_syntax_error(error: yaml.MarkedYAMLError, scalar: Any) -> Any:
    """The mark of what went wrong, rather than of where that was noticed.

    That is an opener that is never closed, or a key without ':' that ran on into the next line: `scalar`, read last.
    """
    context = error.context or ""
    if error.context_mark is not None and context.startswith(_OPENERS):
        return error.context_mark
    if "mapping values" in (error.problem or "") and scalar is not None and _stands_first(scalar):
        return scalar.start_mark
    return error.problem_mark or error.context_mark


def _stands_first(scalar: Any) -> bool:
    """Whether a plain scalar of several lines begins its line."""
    mark = scalar.start_mark
    if scalar.style is not None or mark.line == scalar.end_mark.line:
        return False
    return not text_before(mark).strip(" ")
