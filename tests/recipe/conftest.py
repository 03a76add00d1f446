"""What the tests of recipes share."""

import pytest

from seqtool.registry import Registry, discover


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The parts that ship."""
    return discover()
