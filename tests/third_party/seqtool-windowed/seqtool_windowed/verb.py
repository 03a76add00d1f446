"""A verb that prints what the window subtracts from the scores of a step."""

import click

from seqtool.api import PartError


@click.command()
@click.option("--step", default=0, help="The target step.")
@click.option("--width", default=5.0, help="The width of the window.")
@click.option("--length", default=6, help="The number of source positions.")
def command(step: int, width: float, length: int) -> None:
    """Print the window's penalty at each source position."""
    if width <= 0:
        raise PartError(f"a width is above 0; got {width:g}", option="width")
    click.echo(" ".join(f"{abs(j - step) / width:g}" for j in range(length)))
