"""The table of `seqtool watch`: one row per seed."""

from collections.abc import Mapping, Sequence

from seqtool.analysis.report.visible_symbols import visible
from seqtool.analysis.watch import RunProgress, SeedProgress
from seqtool.statistics.number_text import number_text

BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-=+*#@"
"""Bars from the lowest to the highest value; the second string is for terminals without block characters."""
MAX_BARS = 16
HEADING = ("variant", "seed", "state", "step", "loss", "", "accuracy", "validation", "steps/s", "left")


def table(progress: RunProgress, bars: str = BARS) -> list[tuple[str, ...]]:
    """One row per seed, in the columns of `HEADING`."""
    return [_row(seed, bars) for seed in progress.seeds]


def _row(seed: SeedProgress, bars: str) -> tuple[str, ...]:
    silent = seed.seconds_since_write
    since = f" {duration(silent)}" if seed.state in ("stalled", "silent", "stopped") and silent is not None else ""
    percent = f" {100 * seed.step / seed.steps:.0f} %" if seed.steps else ""
    return (
        visible(seed.variant),
        str(seed.seed),
        f"{seed.state}{since}",
        f"{seed.step}/{seed.steps or '?'}{percent}",
        _number(seed.loss),
        sparkline(seed.losses, bars),
        _number(seed.accuracy, 3),
        _validation(seed.validation),
        _number(seed.steps_per_second, 1),
        "-" if seed.seconds_left is None else duration(seed.seconds_left),
    )


def _validation(values: Mapping[str, float]) -> str:
    if not values:
        return "-"
    labels = {"valid_token_accuracy": "tokens", "valid_sequence_accuracy": "sequences"}
    accuracies = [f"{label} {values[name]:.3f}" for name, label in labels.items() if name in values]
    return f"{', '.join([_number(values['valid_loss']), *accuracies])} at {values['step']:.0f}"


def _number(value: float | None, places: int = 4) -> str:
    return "-" if value is None else number_text(value, places)


def sparkline(values: Sequence[float], bars: str = BARS, max_bars: int = MAX_BARS) -> str:
    """Draw values as bars, each the mean of consecutive values."""
    count = min(max_bars, len(values))
    parts = [values[i * len(values) // count : (i + 1) * len(values) // count] for i in range(count)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means, default=0.0), max(means, default=0.0)
    scale = (len(bars) - 1) / (high - low) if high > low else 0
    return "".join(bars[round((mean - low) * scale)] for mean in means)


def duration(seconds: float) -> str:
    """`95` -> `1m35s`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
