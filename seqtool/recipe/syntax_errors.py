"""Describes PyYAML's syntax errors in plain words, and locates their cause."""

from typing import Any

import yaml

from seqtool.recipe.yaml_internals import text_before

_OPENERS = ("while parsing a flow", "while scanning a quoted scalar", "while scanning a simple key")
_WORDS = (
    ("mapping values are not allowed", "unexpected ':': wrong indentation, or a missing ':' above"),
    ("could not find expected ':'", "a key without ':' after it"),
    ("expected <block end>", "wrong indentation, or an extra bracket or quote"),
    ("expected ',' or '}'", "this '{' is not closed, or a ',' is missing inside"),
    ("expected ',' or ']'", "this '[' is not closed, or a ',' is missing inside"),
    ("found unexpected end of stream", "this quote is not closed"),
    ("found unknown escape character", "an unknown escape sequence in double quotes"),
    ("cannot start any token", "a character that cannot start a value, or a tab; quote it, and indent with spaces"),
    ("found undefined alias", "an alias (*name) without an anchor (&name) before it"),
    ("found duplicate anchor", "a duplicate anchor (&name)"),
    ("but found another document", "a second document (---); a recipe is one document"),
    ("found undefined tag handle", "tags are not allowed in a recipe"),
    ("did not find expected <document start>", "text outside the document"),
    ("expected '<document start>'", "wrong indentation, or text after the end of the recipe"),
)


def describe_syntax_error(error: yaml.MarkedYAMLError) -> str:
    """The message of a syntax error, without terms of YAML's grammar."""
    problem = " ".join(filter(None, (error.context, error.problem)))
    for marker, words in _WORDS:
        if marker in problem:
            return f"not YAML: {words}"
    return f"not YAML: {error.problem or error.context}"


def locate_syntax_error(error: yaml.MarkedYAMLError, scalar: Any) -> Any:
    """The mark of the cause of an error, which may be before the mark where the parser noticed it.

    Causes are an opening bracket or quote that is not closed, and a key without ':' that continues on the next line:
    `scalar`, the last scalar that was read.
    """
    context = error.context or ""
    if error.context_mark is not None and context.startswith(_OPENERS):
        return error.context_mark
    if "mapping values" in (error.problem or "") and scalar is not None and _stands_first(scalar):
        return scalar.start_mark
    return error.problem_mark or error.context_mark


def _stands_first(scalar: Any) -> bool:
    """Whether a plain multi-line scalar is the first text of its line."""
    mark = scalar.start_mark
    if scalar.style is not None or mark.line == scalar.end_mark.line:
        return False
    return not text_before(mark).strip(" ")
