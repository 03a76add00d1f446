"""Tasks whose sources and targets are written in characters."""

from collections.abc import Sequence

from seqtool.api import SeqtoolError, SyntheticTask


class CharacterTask(SyntheticTask):
    """A synthetic task whose symbols are characters: texts are taken and given as they are, white space and all."""

    def encode_source(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_source`."""
        ids = [self.source_vocabulary.find(character) for character in text]
        if None in ids:
            symbols = "".join(self.source_vocabulary.symbols)
            raise SeqtoolError(f"no source has the character {text[ids.index(None)]!r}; they are made of {symbols!r}")
        return tuple(i for i in ids if i is not None)

    def decode_target(self, ids: Sequence[int]) -> str:
        """See `Task.decode_target`."""
        vocabulary = self.target_vocabulary
        return "".join(vocabulary.symbols[i] for i in ids if i not in (vocabulary.start, vocabulary.end))
