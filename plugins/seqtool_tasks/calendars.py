"""Formats and names of dates in several languages.

Fields of a form: `d` and `dd`, the day without and with a leading zero; `nth`, its ordinal number; `m`, `mm`, `mon` and
`month`, the month; `yyyy`, the year; `weekday`. No text is ambiguous: with points or hyphens the day comes first, with
slashes the month, or the year if the first number has four digits.
"""

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "de", "fr", "es", "it", "nl"]


@dataclass(frozen=True)
class Calendar:
    """`months`, `mons` (short) and `weekdays` (from Monday), each separated by spaces; forms; ordinal days `nths`."""

    months: str
    mons: str
    weekdays: str
    forms: tuple[str, ...]
    nths: tuple[str, ...] = tuple(map(str, range(1, 32)))


CALENDARS: dict[Language, Calendar] = {
    "en": Calendar(
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        (
            "{d} {month} {yyyy}",
            "{d} {mon} {yyyy}",
            "{month} {d}, {yyyy}",
            "{mon} {d}, {yyyy}",
            "{month} {nth}, {yyyy}",
            "the {nth} of {month} {yyyy}",
            "{weekday}, {d} {month} {yyyy}",
            "{weekday}, {month} {d}, {yyyy}",
            "{m}/{d}/{yyyy}",
            "{mm}/{dd}/{yyyy}",
            "{yyyy}/{mm}/{dd}",
        ),
        tuple(
            f"{i}{'th' if i in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(i % 10, 'th')}" for i in range(1, 32)
        ),
    ),
    "de": Calendar(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        (
            "{d}. {month} {yyyy}",
            "{d}. {mon} {yyyy}",
            "{weekday}, {d}. {month} {yyyy}",
            "{weekday}, den {d}. {month} {yyyy}",
            "{d}.{m}.{yyyy}",
            "{dd}.{mm}.{yyyy}",
        ),
    ),
    "fr": Calendar(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        (
            "{nth} {month} {yyyy}",
            "{nth} {mon} {yyyy}",
            "le {nth} {month} {yyyy}",
            "{weekday} {nth} {month} {yyyy}",
            "{dd}-{mm}-{yyyy}",
        ),
        ("1er", *map(str, range(2, 32))),
    ),
    "es": Calendar(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene. feb. mar. abr. may. jun. jul. ago. sept. oct. nov. dic.",
        "lunes martes miércoles jueves viernes sábado domingo",
        (
            "{d} de {month} de {yyyy}",
            "{d} {mon} {yyyy}",
            "{weekday}, {d} de {month} de {yyyy}",
            "{d}-{m}-{yyyy}",
        ),
    ),
    "it": Calendar(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        (
            "{nth} {month} {yyyy}",
            "{d} {mon} {yyyy}",
            "{weekday} {nth} {month} {yyyy}",
            "{d}.{m}.{yyyy}",
        ),
        ("1º", *map(str, range(2, 32))),
    ),
    "nl": Calendar(
        "januari februari maart april mei juni juli augustus september oktober november december",
        "jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        (
            "{d} {month} {yyyy}",
            "{d} {mon} {yyyy}",
            "{weekday} {d} {month} {yyyy}",
            "{dd}-{mm}-{yyyy}",
        ),
    ),
}


def field_texts(language: Language, first_year: int, last_year: int) -> dict[str, tuple[str, tuple[str, ...]]]:
    """For each field, the part of the date that it depends on, and its texts in order."""
    calendar = CALENDARS[language]
    days, months = range(1, 32), range(1, 13)
    return {
        "d": ("day", tuple(map(str, days))),
        "dd": ("day", tuple(f"{day:02}" for day in days)),
        "nth": ("day", calendar.nths),
        "m": ("month", tuple(map(str, months))),
        "mm": ("month", tuple(f"{month:02}" for month in months)),
        "mon": ("month", tuple(calendar.mons.split())),
        "month": ("month", tuple(calendar.months.split())),
        "yyyy": ("year", tuple(map(str, range(first_year, last_year + 1)))),
        "weekday": ("weekday", tuple(calendar.weekdays.split())),
    }
