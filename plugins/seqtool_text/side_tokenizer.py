"""The tokenizer of a side, from the options of a recipe."""

from seqtool.api import PartError
from seqtool_text.subwords import Model, Subwords
from seqtool_text.tokenizer import NormalForm, Tokenizer, Unit, make_tokenizer


def side_tokenizer(
    side: str, unit: Unit, pattern: str | None, size: int | None, model: Model, form: NormalForm, lowercase: bool
) -> Tokenizer | Subwords:
    """The tokenizer of a side.

    Raises:
        PartError: a pattern or a number of subwords is missing, invalid, or does not apply to the unit.
    """
    if (unit == "subwords") != (size is not None):
        what = "is required by the unit subwords" if size is None else "requires the unit subwords"
        raise PartError(f"{side}_subwords {what}", option=f"{side}_subwords")
    if size is None or pattern is not None:
        return make_tokenizer(unit, pattern, f"{side}_pattern", form, lowercase)
    return Subwords(model, size, form, lowercase, f"{side}_subwords")
