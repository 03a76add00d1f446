"""BLEU (Papineni et al. 2002, P02-1040) by sacrebleu (Post 2018, 1804.08771), from statistics of single sentences."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.nn.accepted_targets import Targets
from seqtool.parts.task import Task

Tokenize = Literal["tokens", "13a", "intl", "char", "zh", "none"]
"""What its n-grams are of: the task's own symbols, or the words that one of sacrebleu's tokenizers finds in texts."""
ORDER = 4
STATISTICS = 2 + 2 * ORDER
"""Lengths of what was written and of the nearest reference, then n-grams that match, and n-grams there are."""


class Bleu:
    """BLEU of a corpus, 0 to 100.

    Raises:
        MisuseError: no such tokenizer. SeqtoolError: sacrebleu is not installed, or targets are values.
    """

    def __init__(self, task: Task, tokenize: str) -> None:
        if tokenize not in get_args(Tokenize):
            names = get_args(Tokenize)
            message = f"BLEU has no tokenizer {tokenize!r}"
            raise MisuseError(message, allowed=names, nearest=nearest_name(tokenize, names))
        if task.target_vocabulary.modality != "symbols":
            raise SeqtoolError("BLEU is of symbols, and this task's targets are values")
        try:
            from sacrebleu.metrics.bleu import BLEU
        except ImportError as error:
            raise SeqtoolError("BLEU is sacrebleu's, which is not installed: pip install 'seqtool[metrics]'") from error
        self.task, self.tokenize = task, tokenize
        plain = "none" if tokenize == "tokens" else tokenize
        self.metric: Any = BLEU(tokenize=plain, max_ngram_order=ORDER)
        self.sentences: Any = BLEU(tokenize=plain, max_ngram_order=ORDER, effective_order=True)

    def statistics(self, written: Sequence[int], right: Targets) -> list[int]:
        """What a sentence adds to those of the corpus: `STATISTICS` numbers."""
        references = [self._text(target, reference=True) for target in right]
        found = self.sentences.sentence_score(self._text(written), references)
        return [found.sys_len, found.ref_len, *found.counts, *found.totals]

    def score(self, sums: Sequence[float]) -> float:
        """BLEU from summed statistics."""
        written, reference, *counts = map(int, sums)
        matching, there = counts[:ORDER], counts[ORDER:]
        method = self.metric.smooth_method
        found = self.metric.compute_bleu(matching, there, written, reference, smooth_method=method)
        return float(found.score)

    @property
    def signature(self) -> str:
        """sacrebleu's, without the number of references, which may differ from source to source."""
        from sacrebleu import __version__

        return f"case:mixed|eff:no|tok:{self.tokenize}|smooth:{self.metric.smooth_method}|version:{__version__}"

    def _text(self, ids: Sequence[int], reference: bool = False) -> str:
        """A text of ids; a symbol that a reference has and the vocabulary lacks is never matched."""
        vocabulary = self.task.target_vocabulary
        if self.tokenize != "tokens":
            return self.task.decode_target(ids)
        symbols = [
            "\ufffd" if reference and i == vocabulary.unknown else "\u2423".join(vocabulary.symbols[i].split(" "))
            for i in ids
            if i not in (vocabulary.start, vocabulary.end)
        ]
        return " ".join(symbols)
