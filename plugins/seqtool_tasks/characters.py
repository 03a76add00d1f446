"""Tasks whose symbols are characters."""

from collections.abc import Sequence

from seqtool.api import SeqtoolError, SyntheticTask


class CharacterTask(SyntheticTask):
    """A synthetic task whose symbols are characters, including white space."""

    token_name = "character"

    def encode_source(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_source`."""
        return _ids(text, self.source_vocabulary.symbols, "source")

    def encode_target(self, text: str) -> tuple[int, ...]:
        """See `Task.encode_target`."""
        return _ids(text, [symbol for symbol in self.target_vocabulary.symbols if len(symbol) == 1], "target")

    def decode_source(self, ids: Sequence[int]) -> str:
        """See `Task.decode_source`."""
        return "".join(self.source_vocabulary.names(ids))

    def decode_target(self, ids: Sequence[int]) -> str:
        """See `Task.decode_target`."""
        vocabulary = self.target_vocabulary
        return "".join(vocabulary.symbols[i] for i in ids if i not in (vocabulary.start, vocabulary.end))


def _ids(text: str, characters: Sequence[str], side: str) -> tuple[int, ...]:
    """The ids of the characters of a text."""
    unknown = next((character for character in text if character not in characters), None)
    if unknown is not None:
        raise SeqtoolError(f"a {side} cannot contain the character {unknown!r}; allowed are {''.join(characters)!r}")
    return tuple(characters.index(character) for character in text)
