"""The undocumented parts of PyYAML that recipes use, each with the reason; no other module names one.

`tests/test_private_apis.py` fails when one of them changes.
"""

from collections.abc import Callable
from typing import Any

import yaml


class Composer(yaml.BaseLoader):
    """Composes one document into nodes with marks, and reports each node to `seen` before it is composed.

    `yaml.compose` takes no limits: nested too deeply, or with too many nodes, a document is refused while it is read.
    """

    def __init__(self, text: str, seen: Callable[[Any, int, int], None]) -> None:
        """`seen(event, depth, count)` may raise; `depth` counts nested collections, `count` nodes, both from 1."""
        super().__init__(text)
        self.seen = seen
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
        self.seen(event, self.depth, self.count)
        node = super().compose_node(parent, index)
        self.depth -= nests
        return node

    def document(self) -> yaml.Node | None:
        """The root node; None for an empty document."""
        root: yaml.Node | None = self.get_single_node()
        return root

    def last_scalar(self) -> Any:
        """What was read last if it is a scalar: a token, or an event if the parser took it already.

        PyYAML marks where it noticed an error; the cause is often the scalar before.
        """
        token = self.tokens[-1] if self.tokens else self.scalar
        return token if isinstance(token, yaml.ScalarToken | yaml.ScalarEvent) else None

    def position(self) -> tuple[int, int]:
        """Line and column of the reader, from 0: where an error happened that has no mark."""
        return self.line, self.column


class PlainDumper(yaml.SafeDumper):
    """Writes no aliases, and without YAML 1.1's rules of what to quote (`on`, `1:30`, dates).

    `Dumper.add_implicit_resolver` is documented, but adds to those rules; nothing documented removes them.
    """

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text_before(mark: Any) -> str:
    """The text of the mark's line that stands before the mark."""
    return str(mark.buffer[mark.pointer - mark.column : mark.pointer])
