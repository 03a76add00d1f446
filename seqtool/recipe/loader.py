"""YAML text -> a tree of nodes with locations: strings, numbers, booleans, null, mappings and lists only."""

import re
from typing import Any

import yaml

from seqtool.errors import Origin, Problem, RecipeError
from seqtool.recipe.nodes import Node
from seqtool.recipe.scalars import Scalar, parse_scalar, shorten
from seqtool.recipe.syntax_errors import describe_syntax_error, locate_syntax_error
from seqtool.recipe.yaml_internals import Composer

MAX_DEPTH = 32
MAX_NODES = 20_000
_LINE_SHOWN = 160
_MAX_KEY = 200
_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class _Locations:
    """Converts YAML marks to origins with the line of the file."""

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.lines = text.split("\n")

    def at(self, line: int, column: int) -> Origin:
        """`line` and `column` count from 0, as in YAML marks."""
        line = min(line, len(self.lines) - 1)
        text = self.lines[line].replace("\t", " ").rstrip()
        if len(text) > _LINE_SHOWN:
            text = text[:_LINE_SHOWN] + "..." if column < _LINE_SHOWN else ""
        return Origin(self.source, line + 1, column + 1, text)

    def of(self, mark: Any) -> Origin:
        return self.at(mark.line, mark.column)

    def at_index(self, text: str, index: int) -> Origin:
        return self.at(text.count("\n", 0, index), index - text.rfind("\n", 0, index) - 1)


class _Checks:
    """Checks during composition: refuses tags, deep nesting and too many nodes."""

    def __init__(self, locations: _Locations) -> None:
        self.locations = locations
        self.problems: list[Problem] = []

    def __call__(self, event: Any, depth: int, count: int) -> None:
        location = self.locations.of(event.start_mark)
        _check_limits(depth, count, location)
        if getattr(event, "tag", None) is not None:
            self.problems.append(Problem("tags are not allowed in a recipe", (), location))


class _Converter:
    """Converts YAML nodes to `Node`s, expands aliases, and collects problems."""

    def __init__(self, locations: _Locations, problems: list[Problem]) -> None:
        self.locations = locations
        self.problems = problems
        self.count = 0
        self.open: list[int] = []

    def convert(self, raw: yaml.Node, key: Origin | None = None) -> Node:
        origin = self.locations.of(raw.start_mark)
        self.count += 1
        _check_limits(len(self.open) + isinstance(raw, yaml.CollectionNode), self.count, key or origin)
        if id(raw) in self.open:
            raise RecipeError([Problem("an alias contains itself", (), key or origin)])
        self.open.append(id(raw))
        value: Scalar | dict[str, Node] | list[Node]
        if isinstance(raw, yaml.MappingNode):
            value = self._mapping(raw)
        elif isinstance(raw, yaml.SequenceNode):
            value = [self.convert(item) for item in raw.value]
        else:
            value = self._scalar(raw, origin)
        self.open.pop()
        return Node(value, origin, key or origin)

    def _mapping(self, raw: yaml.MappingNode) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for raw_key, raw_value in raw.value:
            origin = self.locations.of(raw_key.start_mark)
            name = self._scalar(raw_key, origin) if isinstance(raw_key, yaml.ScalarNode) else raw_key
            if not isinstance(name, str):
                key = shorten(raw_key.value) if isinstance(raw_key, yaml.ScalarNode) else f"a {raw_key.id}"
                self._problem(f"a key must be a name, got {key or 'nothing'}; quote it if it is a name", origin)
            elif name == "<<":
                self._problem("merge keys (<<) are not allowed in a recipe: use `extends` or `variants`", origin)
            elif len(name) > _MAX_KEY:
                self._problem(f"a key of more than {_MAX_KEY} characters", origin)
            elif name in entries:
                self._problem(f"duplicate key {shorten(name)!r}, first in line {entries[name].key.line}", origin)
            node = self.convert(raw_value, origin)
            if isinstance(name, str) and len(name) <= _MAX_KEY:
                entries.setdefault(name, node)
        return entries

    def _scalar(self, raw: Any, origin: Origin) -> Scalar:
        text: str = raw.value
        if unprintable := _UNPRINTABLE.search(text):
            self._problem(f"the character {unprintable.group()!a} is not allowed in a recipe", origin)
        if raw.style is not None:
            return text
        try:
            return parse_scalar(text)
        except ValueError as error:
            self._problem(str(error), origin)
            return text

    def _problem(self, message: str, origin: Origin) -> None:
        self.problems.append(Problem(message, (), origin))


def parse_text(text: str, source: str) -> Node | None:
    """The tree of one YAML document; None for an empty document.

    Raises:
        RecipeError: the text is not valid YAML, or uses features that recipes do not allow; located in `source`.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    locations = _Locations(source, text)
    if unprintable := _UNPRINTABLE.search(text):
        location = locations.at_index(text, unprintable.start())
        raise RecipeError([Problem(f"the character {unprintable.group()!a} is not allowed in a recipe", (), location)])
    checks = _Checks(locations)
    composer = Composer(text, checks)
    try:
        raw = composer.document()
    except yaml.MarkedYAMLError as error:
        location = locations.of(locate_syntax_error(error, composer.last_scalar()))
        raise RecipeError([*checks.problems, Problem(describe_syntax_error(error), (), location)]) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The only known cause is chr() of an escape beyond Unicode, such as "\UFFFFFFFF".
        location = locations.at(*composer.position())
        raise RecipeError([Problem("not YAML: invalid escape sequence in this string", (), location)]) from error
    if raw is None:
        return None
    node = _Converter(locations, checks.problems).convert(raw)
    if checks.problems:
        raise RecipeError(checks.problems)
    return node


def _check_limits(depth: int, count: int, location: Origin) -> None:
    if depth > MAX_DEPTH:
        raise RecipeError([Problem(f"nested deeper than {MAX_DEPTH} levels", (), location)])
    if count > MAX_NODES:
        raise RecipeError([Problem(f"more than {MAX_NODES} values, aliases expanded", (), location)])
