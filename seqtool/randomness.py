"""Random streams as functions of (seed, rank, step, purpose): resuming needs no luck."""

import hashlib


def derive(*key: int | str) -> int:
    """A 63-bit seed that depends on every part of `key` and on nothing else.

    `derive(seed, rank, step, "task")`: other streams of the same run use another purpose and do not meet this one.
    """
    text = "/".join(str(part) for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
