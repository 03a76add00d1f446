"""The kinds of parts, each with the contract that a part of it keeps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind's name, the import path of its contract, the sizes its constructor takes, and one line of help.

    Recipes construct the parts of a kind, which are subclasses of the contract; if not `constructed`, a part is an
    instance of the contract, and no recipe names it.
    """

    name: str
    contract: str
    sizes: tuple[str, ...]
    summary: str
    constructed: bool = True


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("cell", "seqtool.parts.cell:Cell", ("input_size",), "one step of a recurrent network"),
        Kind("encoder", "seqtool.parts.encoder:Encoder", ("input_size",), "source -> memory"),
        Kind("scorer", "seqtool.parts.scorer:Scorer", ("query_size", "memory_size"), "query, memory -> scores"),
        Kind("normalizer", "seqtool.parts.normalizer:Normalizer", ("query_size",), "scores -> weights"),
        Kind(
            "decoder",
            "seqtool.parts.decoder:Decoder",
            ("input_size", "memory_size", "final_sizes", "output_size"),
            "target symbols and memory -> features, weights, logits",
        ),
        Kind("task", "seqtool.parts.task:Task", (), "numbered batches with gold targets"),
        Kind(
            "embedding",
            "seqtool.parts.embedding:Embedding",
            ("vocabulary",),
            "symbols or numbers -> vectors",
        ),
        Kind("readout", "seqtool.parts.readout:Readout", ("feature_size", "output_size"), "features -> logits"),
        Kind("loss", "seqtool.parts.loss:Loss", (), "logits, weights, batch -> sum and count"),
        Kind("search", "seqtool.parts.search:Search", (), "a decoder -> the sequences it writes"),
        Kind("metric", "seqtool.parts.metric:Metric", (), "predictions, batch -> sums that add up"),
        Kind("optimizer", "torch.optim:Optimizer", ("params",), "torch optimizers"),
        Kind("schedule", "seqtool.parts.schedule:Schedule", ("steps",), "a factor on the learning rate"),
        Kind("kernel", "seqtool.parts.kernel:Kernel", (), "a faster implementation of a part's method"),
        Kind("verb", "click:Command", (), "a command of `seqtool`", constructed=False),
    )
}
