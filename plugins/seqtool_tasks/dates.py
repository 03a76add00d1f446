"""Dates as people write them -> ISO 8601."""

from string import Formatter
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from seqtool.api import Batch, MinLen, PartError, Size, Vocabulary
from seqtool_tasks.calendars import CALENDARS, Language, written
from seqtool_tasks.characters import CharacterTask
from seqtool_tasks.symbols import Ending, join

GOES_BY = ("nothing", "day", "month", "year", "weekday")
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
SHIFTS = (0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4)
"""By how many weekdays the first of a month is later than January's, in years that begin with March."""


class Dates(CharacterTask):
    """The source is a date as it is written in some language, the target the same date as `yyyy-mm-dd`, by characters.

    Equation:
        x = form(language, date),   y = year "-" month "-" day;   year, month, day of the month and form are uniform

    Source: The task of many tutorials on attention; the forms and names are in `seqtool_tasks/calendars.py`.

    When to use: a small task with the look of real text: some characters are copied, months are looked up by name, and
    the order of the parts changes with the form. There is no gold alignment.

    Args:
        languages: whose forms and names are used, of en, de, fr, es, it and nl.
        min_year: the first year, from 1000 on.
        max_year: the last year, up to 9999.
        ending: "fixed", since a target has ten symbols, or "eos" to close each with an end symbol.

    Raises:
        PartError: years of other than four digits, or none between the two.
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
        pieces, slots, self.longest = self._lay_out()
        characters = tuple(sorted({character for piece in pieces for character in piece}))
        width = max(map(len, pieces))
        rows = [[characters.index(c) for c in piece] + [-1] * (width - len(piece)) for piece in pieces]
        here = torch.device("cpu")
        self._tables = {here: Tables(*(torch.tensor(one, device=here) for one in (LENGTHS, SHIFTS, rows, slots)))}
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
        share = torch.rand(batch_size, generator=generator, device=generator.device, dtype=exact)
        day = 1 + (share * length).long()
        source, source_mask = self.write(year, month, day, uniform(0, len(self.forms) - 1))
        target = self._iso(year, month, day)
        real = torch.ones_like(target, dtype=torch.bool)
        return Batch(source, source_mask, target, real, torch.full_like(target, -1))

    def write(self, year: Tensor, month: Tensor, day: Tensor, form: Tensor) -> tuple[Tensor, Tensor]:
        """Dates `[B]` in forms `[B]`, numbers in `self.forms` -> ids `[B, S]` and the mask of them.

        S is the longest of these on the CPU, and elsewhere the longest that there can be: to look would wait.
        """
        tables = self._tables_on(year.device)
        begun = year - (month < 3).long()  # years that begin with March
        leaps = begun // 4 - begun // 100 + begun // 400
        weekday = (begun + leaps + tables.shifts[month - 1] + day + 6) % 7  # 0 is Monday
        values = torch.stack([torch.zeros_like(day), day - 1, month - 1, year - self.min_year, weekday], 1)
        base, goes_by = tables.slots[form].unbind(2)
        text = tables.pieces[base + values.gather(1, goes_by)].flatten(1)
        ids, real = join((text.clamp(min=0), text >= 0))
        longest = int(real.sum(1).max()) if real.device.type == "cpu" else self.longest
        return ids[:, :longest], real[:, :longest]

    def _iso(self, year: Tensor, month: Tensor, day: Tensor) -> Tensor:
        hyphen = torch.full_like(day, 10)
        figures = [year // 1000, year // 100 % 10, year // 10 % 10, year % 10, hyphen, month // 10, month % 10, hyphen]
        end = self.target_vocabulary.end
        closing = [] if end is None else [torch.full_like(day, end)]
        return torch.stack([*figures, day // 10, day % 10, *closing], 1)

    def _tables_on(self, device: torch.device) -> "Tables":
        """The tables on a device, moved there once."""
        if device not in self._tables:
            here = self._tables[torch.device("cpu")]
            self._tables[device] = Tables(*(table.to(device) for table in here))
        return self._tables[device]

    def _lay_out(self) -> tuple[list[str], list[list[tuple[int, int]]], int]:
        """All texts that forms are made of, each form as slots, and the number of characters of the longest date.

        A slot is the number of its first text, and what is added to that number.
        """
        pieces = [""]
        begins: dict[tuple[str, ...], int] = {}
        forms, longest = [], 0
        for language, form in self.forms:
            fields = written(language, self.min_year, self.max_year)
            slots, length = [], 0
            for literal, field, _, _ in Formatter().parse(form):
                for goes_by, texts in (("nothing", (literal,)), fields[field] if field else ("nothing", ("",))):
                    if texts not in begins:
                        begins[texts] = len(pieces)
                        pieces += texts
                    slots.append((begins[texts], GOES_BY.index(goes_by)))
                    length += max(map(len, texts))
            forms.append(slots)
            longest = max(longest, length)
        most = max(map(len, forms))
        return pieces, [slots + [(0, 0)] * (most - len(slots)) for slots in forms], longest


class Tables(NamedTuple):
    """What `Dates` looks up.

    `lengths`, `shifts` `[12]`: `LENGTHS` and `SHIFTS`. `pieces [P, W]`: the ids of each text, -1 behind it.
    `slots [forms, slots, 2]`: see `Dates._lay_out`.
    """

    lengths: Tensor
    shifts: Tensor
    pieces: Tensor
    slots: Tensor
