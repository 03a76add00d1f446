"""The private attributes of torch that seqtool reads, each with the reason; no other module names one.

`tests/test_private_apis.py` fails when one of them changes.
"""

from torch import Tensor


def write_count(x: Tensor) -> int:
    """How often a tensor was written to in place, as autograd counts it.

    The public sign, an error in `backward`, needs a graph that saved the tensor.
    """
    return int(x._version)
