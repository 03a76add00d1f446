"""Dates in six languages, compared with Python's calendar."""

import datetime
import itertools
from typing import Any

import pytest
import torch
from pretend_device import Elsewhere, PretendDevice
from test_tasks import batch_of, examples, task

from seqtool.api import PartError, SeqtoolError
from seqtool_tasks.calendars import CALENDARS

BY_HAND = {
    "en": {
        "2024-03-01": ["1 March 2024", "1 Mar 2024", "March 1, 2024", "Mar 1, 2024", "March 1st, 2024",
                       "the 1st of March 2024", "Friday, 1 March 2024", "Friday, March 1, 2024", "3/1/2024",
                       "03/01/2024", "2024/03/01"],
        "1999-12-22": ["December 22nd, 1999", "Wednesday, 22 December 1999", "12/22/1999"],
        "2000-02-13": ["the 13th of February 2000", "Sunday, February 13, 2000"],
    },
    "de": {
        "2024-03-01": ["1. März 2024", "Freitag, 1. März 2024", "Freitag, den 1. März 2024", "1.3.2024", "01.03.2024"],
        "1900-01-31": ["31. Jan. 1900", "Mittwoch, den 31. Januar 1900", "31.01.1900"],
    },
    "fr": {
        "2024-03-01": ["1er mars 2024", "le 1er mars 2024", "vendredi 1er mars 2024", "01-03-2024"],
        "2024-02-29": ["29 février 2024", "29 févr. 2024", "jeudi 29 février 2024"],
    },
    "es": {"2023-01-04": ["4 de enero de 2023", "4 ene. 2023", "miércoles, 4 de enero de 2023", "4-1-2023"]},
    "it": {"2023-05-01": ["1º maggio 2023", "1 mag 2023", "lunedì 1º maggio 2023", "1.5.2023"]},
    "nl": {"2023-03-05": ["5 maart 2023", "5 mrt. 2023", "zondag 5 maart 2023", "05-03-2023"]},
}  # fmt: skip


def written(made: Any, *dates: str) -> list[set[str]]:
    """All written forms of each date."""
    numbers = [[int(part) for part in date.split("-")] for date in dates]
    rows = [(*date, form) for date in numbers for form in range(len(made.forms))]
    ids, real = made.write(*(torch.tensor(column) for column in zip(*rows, strict=True)))
    symbols = made.source_vocabulary.symbols
    texts = ["".join(symbols[i] for i in row[mask].tolist()) for row, mask in zip(ids, real, strict=True)]
    size = len(made.forms)
    return [set(texts[i : i + size]) for i in range(0, len(texts), size)]


@pytest.mark.parametrize("language", BY_HAND)
def test_forms_written_by_hand(language: Any) -> None:
    made = task("dates", languages=(language,))
    for date, texts in BY_HAND[language].items():
        (found,) = written(made, date)
        assert set(texts) <= found


def test_each_text_is_one_date() -> None:
    made = task("dates", min_year=1995, max_year=2006)
    day, dates = datetime.date(1995, 1, 1), []
    while day.year <= 2006:
        dates.append(day.isoformat())
        day += datetime.timedelta(1)
    meant: dict[str, str] = {}
    for date, texts in zip(dates, written(made, *dates), strict=True):
        for text in texts:
            assert meant.setdefault(text, date) == date, text
    assert len(meant) > 29 * len(dates)


def test_names_of_days_are_correct() -> None:
    made = task("dates", languages=("en",), min_year=1000, max_year=9999)
    (form,) = (i for i, (_, form) in enumerate(made.forms) if form == "{weekday}, {d} {month} {yyyy}")
    days = [datetime.date.fromordinal(n) for n in range(datetime.date(1000, 1, 1).toordinal(), 3_652_060, 9_973)]
    columns = [[day.year for day in days], [day.month for day in days], [day.day for day in days], [form] * len(days)]
    ids, real = made.write(*map(torch.tensor, columns))
    for day, row, mask in zip(days, ids, real, strict=True):
        text = "".join(made.source_vocabulary.symbols[i] for i in row[mask].tolist())
        assert (
            text == f"{CALENDARS['en'].weekdays.split()[day.weekday()]}, {day.day} {day.strftime('%B')} {day.year:04}"
        )


@pytest.mark.parametrize("ending", ["fixed", "eos"])
def test_a_batch_has_dates_and_the_same_in_iso(ending: str) -> None:
    made = task("dates", min_year=1990, max_year=2010, ending=ending)
    years = set()
    drawn = [example for k in range(20) for example in examples(made, batch_of(made, k))]
    isos = ["".join(target[:10]) for _, target, _ in drawn]
    for (source, target, gold), iso, texts in zip(drawn, isos, written(made, *isos), strict=True):
        assert "".join(source) in texts
        assert datetime.date.fromisoformat(iso).isoformat() == iso
        assert target[10:] == (["</s>"] if ending == "eos" else [])
        assert set(gold) == {-1}
        years.add(iso[:4])
    assert years == {str(year) for year in range(1990, 2011)}
    assert {iso[5:7] for iso in isos} == {f"{month:02}" for month in range(1, 13)}
    assert {iso[8:] for iso in isos} == {f"{day:02}" for day in range(1, 32)}


def test_leap_days_occur_only_in_leap_years() -> None:
    for year, leaps in ((1900, False), (2000, True), (2023, False), (2024, True)):
        made = task("dates", min_year=year, max_year=year)
        isos = {made.decode_target(row) for k in range(100) for row in batch_of(made, k).target.tolist()}
        assert (f"{year}-02-29" in isos) == leaps
        assert len(isos) == 365 + leaps


def test_batches_on_a_device_are_padded_to_the_longest_possible_date() -> None:
    made = task("dates")
    days = [datetime.date(2096, 1, 1) + datetime.timedelta(day) for day in range(366)]
    dates = [(day.year, day.month, day.day, form) for day in days for form in range(len(made.forms))]
    columns = [torch.tensor(column) for column in zip(*dates, strict=True)]
    here, here_mask = made.write(*columns)
    with PretendDevice() as device:
        there, there_mask = made.write(*map(Elsewhere, columns))
        device.clear()
        made.write(*map(Elsewhere, columns))
        assert device.waits == []
    longest = here.shape[1]
    assert there.shape[1] == made.longest
    assert longest <= made.longest < longest + 5, "some names of days and months never occur together"
    assert torch.equal(there.inner[:, :longest], here)
    assert torch.equal(there_mask.inner[:, :longest], here_mask)
    assert not there_mask.inner[:, longest:].any()


def test_calendars_have_all_names() -> None:
    for calendar in CALENDARS.values():
        assert (len(calendar.months.split()), len(calendar.mons.split())) == (12, 12)
        assert (len(calendar.weekdays.split()), len(calendar.nths)) == (7, 31)


def test_texts_are_encoded_and_decoded_unchanged() -> None:
    made = task("dates", ending="eos")
    ids = made.encode_source("le 1er août 1999")
    assert [made.source_vocabulary.symbols[i] for i in ids] == list("le 1er août 1999")
    assert made.decode_target([1, 9, 9, 9, 10, 0, 8, 10, 0, 1, 11]) == "1999-08-01"
    with pytest.raises(SeqtoolError, match="a source cannot contain the character '!'"):
        made.encode_source("1999!")
    added = task("addition")
    assert added.encode_source("12+30") == (1, 2, 10, 3, 0)
    assert added.decode_target([4, 2, 10]) == "42"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"min_year": 999}, "min_year"),
        ({"max_year": 10_000}, "max_year"),
        ({"min_year": 2001, "max_year": 2000}, "min_year"),
    ],
)
def test_invalid_years_are_refused(options: dict[str, int], fault: str) -> None:
    with pytest.raises(PartError) as caught:
        task("dates", **options)
    assert caught.value.option == fault


def test_any_choice_of_languages() -> None:
    for languages in itertools.combinations(CALENDARS, 2):
        made = task("dates", languages=languages)
        assert {language for language, _ in made.forms} == set(languages)
        assert len(batch_of(made)) == 64
