"""The standard streams of a command, which may be closed, missing, or unable to encode a text."""

import codecs
import io
import os
import sys


def prepare_streams() -> None:
    """Open closed standard streams on the null device, and let stdout print any text.

    A descriptor that stays closed would be given to the next file that is opened, and receive the messages of libraries
    that write to it. With pythonw and some services, `sys.stdout` and `sys.stderr` are None.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free descriptor
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream, errors in ((sys.stdout, "seqtool"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def finish_streams() -> bool:
    """Write buffered output, and return whether all streams could be written."""
    written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            written = False
            with open(os.devnull, "w") as null:  # else Python reports the same error again when it exits
                os.dup2(null.fileno(), stream.fileno())
    return written


def _encode(error: UnicodeError) -> tuple[bytes, int]:
    """Encode the bytes of a path that is not UTF-8 as these bytes, and other characters as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = [
        bytes([ord(one) - 0xDC00]) if "\udc80" <= one <= "\udcff" else one.encode("ascii", "backslashreplace")
        for one in error.object[error.start : error.end]
    ]
    return b"".join(parts), error.end


codecs.register_error("seqtool", _encode)
