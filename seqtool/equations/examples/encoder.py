"""Encoders, worked: three source vectors through cells of one unit."""

from seqtool.equations import encoder
from seqtool.equations.cell import Gate
from seqtool.equations.cell import rnn as elman
from seqtool.equations.example import Example
from seqtool.equations.vectors import Matrix, Vector

SOURCE: Matrix = [[1.0], [0.0], [2.0]]


def identity() -> Example:
    """The memory is the source itself."""
    return Example({"x": SOURCE}).result("h", SOURCE)


def rnn() -> Example:
    """Both ways, Elman's cell."""
    forward, backward = Gate([[1.0]], [[0.5]], [0.0]), Gate([[-1.0]], [[0.5]], [0.0])

    def ahead(x: Vector, h: Vector) -> tuple[Vector, Vector]:
        output = elman(x, h, forward)
        return output, output

    def behind(x: Vector, h: Vector) -> tuple[Vector, Vector]:
        output = elman(x, h, backward)
        return output, output

    example = Example({"x": SOURCE, "W, U forward": [[1.0], [0.5]], "W, U backward": [[-1.0], [0.5]]})
    example.show("forward h_1, h_2, h_3", encoder.encode(ahead, SOURCE, [0.0])[0])
    example.show("backward h_3, h_2, h_1", encoder.encode(behind, SOURCE[::-1], [0.0])[0])
    return example.result("h", encoder.bidirectional(ahead, behind, SOURCE, [0.0])[0])
