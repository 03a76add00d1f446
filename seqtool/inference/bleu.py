"""BLEU (Papineni et al. 2002, P02-1040), computed by sacrebleu (Post 2018, 1804.08771)."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.nn.accepted_targets import Targets
from seqtool.parts.task import Task

Tokenize = Literal["tokens", "13a", "intl", "char", "zh", "none"]
"""Units of the n-grams: the task's own symbols ("tokens"), or the words that this sacrebleu tokenizer finds."""
ORDER = 4
STATISTICS = 2 + 2 * ORDER
"""Per sentence: its length, the length of the nearest reference, and per order the matching and all n-grams."""


class Bleu:
    """BLEU of a corpus, 0 to 100.

    Raises:
        MisuseError: unknown tokenizer. SeqtoolError: sacrebleu is not installed, or the targets are continuous.
    """

    def __init__(self, task: Task, tokenize: str) -> None:
        if tokenize not in get_args(Tokenize):
            names = get_args(Tokenize)
            message = f"BLEU has no tokenizer {tokenize!r}"
            raise MisuseError(message, allowed=names, nearest=nearest_name(tokenize, names))
        if task.target_vocabulary.modality != "symbols":
            raise SeqtoolError("BLEU requires symbols, and this task has continuous targets")
        try:
            from sacrebleu.metrics.bleu import BLEU
        except ImportError as error:
            raise SeqtoolError("BLEU requires sacrebleu: pip install 'seqtool[metrics]'") from error
        self.task, self.tokenize = task, tokenize
        plain = "none" if tokenize == "tokens" else tokenize
        self.metric: Any = BLEU(tokenize=plain, max_ngram_order=ORDER)
        self.sentences: Any = BLEU(tokenize=plain, max_ngram_order=ORDER, effective_order=True)

    def statistics(self, predicted: Sequence[int], references: Targets) -> list[int]:
        """The `STATISTICS` numbers of a sentence, to be summed over the corpus."""
        texts = [self._text(target, reference=True) for target in references]
        found = self.sentences.sentence_score(self._text(predicted), texts)
        return [found.sys_len, found.ref_len, *found.counts, *found.totals]

    def score(self, sums: Sequence[float]) -> float:
        """BLEU from summed statistics."""
        predicted, reference, *counts = map(int, sums)
        matching, total = counts[:ORDER], counts[ORDER:]
        method = self.metric.smooth_method
        found = self.metric.compute_bleu(matching, total, predicted, reference, smooth_method=method)
        return float(found.score)

    @property
    def signature(self) -> str:
        """sacrebleu's signature, without the number of references, which may differ between sources."""
        from sacrebleu import __version__

        return f"case:mixed|eff:no|tok:{self.tokenize}|smooth:{self.metric.smooth_method}|version:{__version__}"

    def _text(self, ids: Sequence[int], reference: bool = False) -> str:
        """The text of ids; an unknown symbol in a reference becomes a symbol that no prediction matches."""
        vocabulary = self.task.target_vocabulary
        if self.tokenize != "tokens":
            return self.task.decode_target(ids)
        symbols = [
            "\ufffd" if reference and i == vocabulary.unknown else "\u2423".join(vocabulary.symbols[i].split(" "))
            for i in ids
            if i not in (vocabulary.start, vocabulary.end)
        ]
        return " ".join(symbols)
