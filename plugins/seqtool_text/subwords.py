"""Subwords that are learnt from the training texts, by Hugging Face's tokenizers.

BPE: Sennrich et al. 2016, arXiv 1508.07909. Unigram: Kudo 2018, arXiv 1804.10959.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from seqtool.api import PartError, SeqtoolError
from seqtool_text.tokens import Form, clean

Model = Literal["bpe", "unigram"]

SPACE = "\u2581"
"""Stands for a space, and opens a word; a lower one eighth block, as sentencepiece has it."""
UNKNOWN = "<unk>"


@dataclass
class Subwords:
    """One side's way from text to subwords and back: `join` undoes `split` to the character.

    A token is the piece of text that a subword covers, so a character that training has not is a token that no
    vocabulary has, and goes the way of all unknown symbols.
    """

    model: Model
    size: int
    form: Form
    lowercase: bool
    option: str
    learnt: Any = field(default=None, repr=False)

    def learn(self, texts: Iterable[str]) -> None:
        """Learn subwords from texts; what cannot be a text is passed over.

        Raises:
            PartError: the texts have no so many subwords, or fewer are asked for than they have characters.
        """
        tokenizers = _library()
        models, trainers = tokenizers.models, tokenizers.trainers
        asked: dict[str, Any] = {"vocab_size": self.size, "special_tokens": [UNKNOWN], "show_progress": False}
        if self.model == "bpe":
            learnt, trainer = tokenizers.Tokenizer(models.BPE(unk_token=UNKNOWN)), trainers.BpeTrainer(**asked)
        else:
            learnt = tokenizers.Tokenizer(models.Unigram())
            trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **asked)
        learnt.pre_tokenizer = tokenizers.pre_tokenizers.Split(SPACE, "merged_with_next")
        try:
            learnt.train_from_iterator(filter(None, map(self._readable, texts)), trainer)
        except SeqtoolError:
            raise
        except Exception as error:  # the library raises no narrower one
            message = f"no {self.size} subwords can be learnt from the training texts: {error}"
            raise PartError(message, option=self.option, allowed="another number") from error
        if self.model == "unigram":
            learnt.model = models.Unigram(_rounded(json.loads(learnt.to_str())["model"]["vocab"]), 0)
        found = learnt.get_vocab_size()
        if found > self.size:
            message = f"the training texts have {found - 1} characters, which all are subwords"
            raise PartError(message, option=self.option, allowed=f"{found} or more")
        self.learnt = learnt

    def split(self, text: str) -> list[str]:
        """The subwords of a text. Raises: ValueError: it holds what no token can."""
        text = self._spaced(text)
        return [text[start:end] for start, end in self.learnt.encode(text).offsets]

    def join(self, tokens: Iterable[str]) -> str:
        """The text of tokens."""
        return "".join(tokens).replace(SPACE, " ")

    def described(self) -> tuple[object, ...]:
        """All that its tokens follow from."""
        return self.form, self.lowercase, unicodedata.unidata_version, self.state()

    def state(self) -> dict[str, Any]:
        """What `restore` takes: plain JSON."""
        plain: dict[str, Any] = json.loads(self.learnt.to_str())
        return plain

    def restore(self, state: Any) -> None:
        """Take up what was learnt in another run. Raises: SeqtoolError: it is not whole."""
        try:
            self.learnt = _library().Tokenizer.from_str(json.dumps(state))
        except Exception as error:  # the library raises no narrower one
            raise SeqtoolError(f"the subwords that the run kept are not whole: {error}") from error

    def _spaced(self, text: str) -> str:
        text = clean(text, self.form, self.lowercase)
        if SPACE in text:
            raise ValueError(f"the character U+{ord(SPACE):04X}, by which subwords write a space")
        return text.replace(" ", SPACE)

    def _readable(self, text: str) -> str:
        try:
            return self._spaced(text)
        except ValueError:
            return ""


def _rounded(scores: Sequence[Sequence[Any]]) -> list[tuple[str, float]]:
    """Scores without the digits in which one run differs from the next, since sums are taken in another order."""
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
        message = "subwords are learnt by tokenizers, which is not installed: pip install 'seqtool[subwords]'"
        raise SeqtoolError(message) from error
    return tokenizers
