"""Subwords, learned from the training texts with Hugging Face's tokenizers.

BPE: Sennrich et al. 2016, arXiv 1508.07909. Unigram: Kudo 2018, arXiv 1804.10959.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from seqtool.api import PartError, SeqtoolError
from seqtool_text.tokenizer import NormalForm, normalize

Model = Literal["bpe", "unigram"]

SPACE = "\u2581"
"""Replaces a space, at the start of a word; a lower one eighth block, as in sentencepiece."""
UNKNOWN = "<unk>"


@dataclass
class Subwords:
    """From text to subwords and back: `join` inverts `split` exactly.

    A token is the text that a subword covers, so that a character missing in the training texts is an unknown symbol.
    """

    model: Model
    size: int
    form: NormalForm
    lowercase: bool
    option: str
    learned: Any = field(default=None, repr=False)

    def learn(self, texts: Iterable[str]) -> None:
        """Learn subwords from texts; invalid texts are skipped.

        Raises:
            PartError: the texts have fewer subwords than `size`, or more characters.
        """
        tokenizers = _library()
        models, trainers = tokenizers.models, tokenizers.trainers
        options: dict[str, Any] = {"vocab_size": self.size, "special_tokens": [UNKNOWN], "show_progress": False}
        if self.model == "bpe":
            learned, trainer = tokenizers.Tokenizer(models.BPE(unk_token=UNKNOWN)), trainers.BpeTrainer(**options)
        else:
            learned = tokenizers.Tokenizer(models.Unigram())
            trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **options)
        learned.pre_tokenizer = tokenizers.pre_tokenizers.Split(SPACE, "merged_with_next")
        try:
            learned.train_from_iterator(filter(None, map(self._marked_or_empty, texts)), trainer)
        except SeqtoolError:
            raise
        except Exception as error:  # the library raises no narrower class
            message = f"no {self.size} subwords can be learned from the training texts: {error}"
            raise PartError(message, option=self.option, allowed="another number") from error
        if self.model == "unigram":
            learned.model = models.Unigram(_rounded(json.loads(learned.to_str())["model"]["vocab"]), 0)
        vocab_size = learned.get_vocab_size()
        if vocab_size > self.size:
            message = f"the training texts have {vocab_size - 1} characters, each of which is a subword"
            raise PartError(message, option=self.option, allowed=f"{vocab_size} or more")
        self.learned = learned

    def split(self, text: str) -> list[str]:
        """The subwords of a text.

        Raises:
            ValueError: the text contains characters that are not allowed.
        """
        text = self._mark_spaces(text)
        return [text[start:end] for start, end in self.learned.encode(text).offsets]

    def join(self, tokens: Iterable[str]) -> str:
        """The text of tokens."""
        return "".join(tokens).replace(SPACE, " ")

    def normalize(self, text: str) -> str:
        """See `tokenizer.normalize`."""
        return normalize(text, self.form, self.lowercase)

    def fingerprint(self) -> tuple[object, ...]:
        """All that the tokens depend on."""
        return self.form, self.lowercase, unicodedata.unidata_version, self.state()

    def state(self) -> dict[str, Any]:
        """The learned subwords, as plain JSON."""
        plain: dict[str, Any] = json.loads(self.learned.to_str())
        return plain

    def restore(self, state: Any) -> None:
        """Restore what `state` returned.

        Raises:
            SeqtoolError: it is damaged.
        """
        try:
            self.learned = _library().Tokenizer.from_str(json.dumps(state))
        except Exception as error:  # the library raises no narrower class
            raise SeqtoolError(f"the subwords saved in the run are damaged: {error}") from error

    def _mark_spaces(self, text: str) -> str:
        text = self.normalize(text)
        if SPACE in text:
            raise ValueError(f"the character U+{ord(SPACE):04X}, which subwords use for spaces")
        return text.replace(" ", SPACE)

    def _marked_or_empty(self, text: str) -> str:
        try:
            return self._mark_spaces(text)
        except ValueError:
            return ""


def _rounded(scores: Sequence[Sequence[Any]]) -> list[tuple[str, float]]:
    """Scores rounded to the digits that are equal in all runs; the library sums in varying order."""
    first, *others = scores
    rounded = [(piece, round(score, 6)) for piece, score in others]
    return [tuple(first), *sorted(rounded, key=lambda pair: (-pair[1], pair[0]))]


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        message = "subwords are learned with tokenizers, which is not installed: pip install 'seqtool[subwords]'"
        raise SeqtoolError(message) from error
    return tokenizers
