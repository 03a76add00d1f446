"""Dates in natural language -> ISO 8601."""

from string import Formatter
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from seqtool.api import Batch, MinLen, PartError, Size, Vocabulary
from seqtool_tasks.calendars import CALENDARS, Language, field_texts
from seqtool_tasks.characters import CharacterTask
from seqtool_tasks.symbols import Ending, concatenate

DATE_KEYS = ("nothing", "day", "month", "year", "weekday")
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
SHIFTS = (0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4)
"""The weekday of each month's first day relative to January's, in years that begin with March."""


class Dates(CharacterTask):
    """The source is a date in one of several languages and forms, the target the date as `yyyy-mm-dd`, by characters.

    Equation:
        x = form(language, date),   y = year "-" month "-" day;   year, month, day of the month and form are uniform

    Source: a common task of tutorials on attention; the forms and names are in `seqtool_tasks/calendars.py`.

    When to use: a small task similar to real text: some characters are copied, month names are translated, and the
    order of the parts depends on the form. There is no gold alignment.

    Args:
        languages: the languages of the dates: en, de, fr, es, it, nl.
        min_year: the first year, at least 1000.
        max_year: the last year, at most 9999.
        ending: "fixed", for targets of ten symbols, or "eos" to append an end symbol.

    Raises:
        PartError: a year does not have four digits, or `min_year` exceeds `max_year`.
    """

    def __init__(
        self,
        *,
        languages: Annotated[tuple[Language, ...], MinLen(1)] = ("en", "de", "fr", "es", "it", "nl"),
        min_year: Size = 1900,
        max_year: Size = 2099,
        ending: Ending = "fixed",
    ) -> None:
        for name, year, low, high in (("max_year", max_year, 1000, 9999), ("min_year", min_year, 1000, max_year)):
            if not low <= year <= high:
                raise PartError(f"{name} is {year}", option=name, allowed=f"{low} to {high}")
        self.min_year, self.max_year = min_year, max_year
        self.forms = [(language, form) for language in dict.fromkeys(languages) for form in CALENDARS[language].forms]
        pieces, slots, self.longest = self._layouts()
        characters = tuple(sorted({character for piece in pieces for character in piece}))
        width = max(map(len, pieces))
        rows = [[characters.index(c) for c in piece] + [-1] * (width - len(piece)) for piece in pieces]
        cpu = torch.device("cpu")
        self._tables = {cpu: Tables(*(torch.tensor(one, device=cpu) for one in (LENGTHS, SHIFTS, rows, slots)))}
        self.source_vocabulary = Vocabulary(characters)
        symbols = (*"0123456789-", *(("</s>",) if ending == "eos" else ()), "<s>")
        end = 11 if ending == "eos" else None
        self.target_vocabulary = Vocabulary(symbols, start=len(symbols) - 1, end=end)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.ending = ending
        self.max_target_length = 10 + (ending == "eos")

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""

        def uniform(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, (batch_size,), generator=generator, device=generator.device)

        year, month = uniform(self.min_year, self.max_year), uniform(1, 12)
        leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
        length = self._tables_on(year.device).lengths[month - 1] + (leap & (month == 2))
        exact = torch.float64 if year.device.type == "cpu" else torch.float32  # not every device has float64
        fraction = torch.rand(batch_size, generator=generator, device=generator.device, dtype=exact)
        day = 1 + (fraction * length).long()
        source, source_mask = self.write(year, month, day, uniform(0, len(self.forms) - 1))
        target = self._iso(year, month, day)
        real = torch.ones_like(target, dtype=torch.bool)
        return Batch(source, source_mask, target, real, torch.full_like(target, -1))

    def write(self, year: Tensor, month: Tensor, day: Tensor, form: Tensor) -> tuple[Tensor, Tensor]:
        """The ids `[B, S]` and mask of dates `[B]` in forms `[B]`, indices of `self.forms`.

        S is the length of the longest date: on the CPU of these dates, elsewhere of all possible dates, which avoids
        waiting for the device.
        """
        tables = self._tables_on(year.device)
        march_year = year - (month < 3).long()  # years that begin with March
        leaps = march_year // 4 - march_year // 100 + march_year // 400
        weekday = (march_year + leaps + tables.shifts[month - 1] + day + 6) % 7  # 0: Monday
        values = torch.stack([torch.zeros_like(day), day - 1, month - 1, year - self.min_year, weekday], 1)
        base, key = tables.slots[form].unbind(2)
        text = tables.pieces[base + values.gather(1, key)].flatten(1)
        ids, real = concatenate((text.clamp(min=0), text >= 0))
        longest = int(real.sum(1).max()) if real.device.type == "cpu" else self.longest
        return ids[:, :longest], real[:, :longest]

    def _iso(self, year: Tensor, month: Tensor, day: Tensor) -> Tensor:
        hyphen = torch.full_like(day, 10)
        figures = [year // 1000, year // 100 % 10, year // 10 % 10, year % 10, hyphen, month // 10, month % 10, hyphen]
        end = self.target_vocabulary.end
        closing = [] if end is None else [torch.full_like(day, end)]
        return torch.stack([*figures, day // 10, day % 10, *closing], 1)

    def _tables_on(self, device: torch.device) -> "Tables":
        """The tables on a device, copied there once."""
        if device not in self._tables:
            cpu = self._tables[torch.device("cpu")]
            self._tables[device] = Tables(*(table.to(device) for table in cpu))
        return self._tables[device]

    def _layouts(self) -> tuple[list[str], list[list[tuple[int, int]]], int]:
        """All texts of the forms, each form as slots, and the length of the longest date.

        A slot is the index of its first text, and the key of the number that is added to that index.
        """
        pieces = [""]
        starts: dict[tuple[str, ...], int] = {}
        forms, longest = [], 0
        for language, form in self.forms:
            fields = field_texts(language, self.min_year, self.max_year)
            slots, length = [], 0
            for literal, field, _, _ in Formatter().parse(form):
                for key, texts in (("nothing", (literal,)), fields[field] if field else ("nothing", ("",))):
                    if texts not in starts:
                        starts[texts] = len(pieces)
                        pieces += texts
                    slots.append((starts[texts], DATE_KEYS.index(key)))
                    length += max(map(len, texts))
            forms.append(slots)
            longest = max(longest, length)
        most = max(map(len, forms))
        return pieces, [slots + [(0, 0)] * (most - len(slots)) for slots in forms], longest


class Tables(NamedTuple):
    """The tables of `Dates`.

    `lengths`, `shifts` `[12]`: `LENGTHS` and `SHIFTS`. `pieces [P, W]`: the ids of each text, padded with -1.
    `slots [forms, slots, 2]`: see `Dates._layouts`.
    """

    lengths: Tensor
    shifts: Tensor
    pieces: Tensor
    slots: Tensor
