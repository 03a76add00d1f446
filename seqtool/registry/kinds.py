"""The kinds of parts and their contracts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind: its name, the import path of its contract, the sizes that its constructor takes, and a summary.

    The parts of a kind are subclasses of the contract, and recipes name them. If `constructed` is false, they are
    instances of the contract, and recipes cannot name them.
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
            "symbols or continuous values -> vectors",
        ),
        Kind("readout", "seqtool.parts.readout:Readout", ("feature_size", "output_size"), "features -> logits"),
        Kind("loss", "seqtool.parts.loss:Loss", (), "logits, weights, batch -> sum and count"),
        Kind("search", "seqtool.parts.search:Search", (), "a trained model -> generated sequences"),
        Kind("metric", "seqtool.parts.metric:Metric", (), "predictions, batch -> sums over batches"),
        Kind("optimizer", "torch.optim:Optimizer", ("params",), "torch optimizers"),
        Kind("schedule", "seqtool.parts.schedule:Schedule", ("steps",), "a factor on the learning rate"),
        Kind("kernel", "seqtool.parts.kernel:Kernel", (), "a faster implementation of a part's method"),
        Kind("verb", "click:Command", (), "a command of `seqtool`", constructed=False),
    )
}
