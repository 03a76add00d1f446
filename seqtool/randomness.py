"""Random streams as functions of (seed, rank, step, purpose), so a resumed run repeats them exactly."""

import hashlib


def derive(*key: int | str) -> int:
    """A 63-bit seed, a hash of all elements of `key`.

    `derive(seed, rank, step, "task")`: the last element is the purpose, which distinguishes the streams of a run.
    """
    text = "/".join(str(part) for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
