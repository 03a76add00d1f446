"""The tokenizer of a side, from the options of a recipe."""

from seqtool.api import PartError
from seqtool_text.subwords import Model, Subwords
from seqtool_text.tokens import Form, Tokenizer, Unit, tokenizer


def tokens(
    side: str, unit: Unit, pattern: str | None, size: int | None, model: Model, form: Form, lowercase: bool
) -> Tokenizer | Subwords:
    """What parts the texts of a side.

    Raises:
        PartError: a pattern or a number of subwords that is none, or that goes with another unit.
    """
    if (unit == "subwords") != (size is not None):
        what = "says how many subwords there are" if size is None else "goes with the unit subwords alone"
        raise PartError(f"{side}_subwords {what}", option=f"{side}_subwords")
    if size is None or pattern is not None:
        return tokenizer(unit, pattern, f"{side}_pattern", form, lowercase)
    return Subwords(model, size, form, lowercase, f"{side}_subwords")
