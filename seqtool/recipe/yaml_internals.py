"""The undocumented parts of PyYAML that recipes use, each with the reason. No other module uses one.

`tests/test_private_apis.py` fails when one of them changes.
"""

from collections.abc import Callable
from typing import Any

import yaml


class Composer(yaml.BaseLoader):
    """Composes one document into nodes with marks, and calls `check` before each node.

    `yaml.compose` has no limits. With `check`, a document with deep nesting or too many nodes is refused early.
    """

    def __init__(self, text: str, check: Callable[[Any, int, int], None]) -> None:
        """`check(event, depth, count)` may raise; `depth` counts nested collections, `count` nodes, both from 1."""
        super().__init__(text)
        self.check = check
        self.depth = 0
        self.count = 0
        self.scalar: Any = None

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.ScalarEvent):
            self.scalar = event
        nests = not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent)
        self.count += 1
        self.depth += nests
        self.check(event, self.depth, self.count)
        node = super().compose_node(parent, index)
        self.depth -= nests
        return node

    def document(self) -> yaml.Node | None:
        """The root node; None for an empty document."""
        root: yaml.Node | None = self.get_single_node()
        return root

    def last_scalar(self) -> Any:
        """The last token or event, if it is a scalar.

        PyYAML marks where it noticed an error; the cause is often the scalar before.
        """
        token = self.tokens[-1] if self.tokens else self.scalar
        return token if isinstance(token, yaml.ScalarToken | yaml.ScalarEvent) else None

    def position(self) -> tuple[int, int]:
        """Line and column of the reader, from 0, for errors without a mark."""
        return self.line, self.column


class PlainDumper(yaml.SafeDumper):
    """Writes no aliases, and does not quote what is special in YAML 1.1 only (`on`, `1:30`, dates).

    The documented `Dumper.add_implicit_resolver` adds rules; there is no documented way to remove them.
    """

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text_before(mark: Any) -> str:
    """The text before a mark in its line."""
    return str(mark.buffer[mark.pointer - mark.column : mark.pointer])
