"""Public holidays on which ΚΕΠ are closed unless a special day says otherwise. Pure.

LIMIT: when the 1st of May is moved by a ministerial decision, the new day is entered by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date, timedelta

_FIXED = (
    (1, 1, "Πρωτοχρονιά"),
    (1, 6, "Θεοφάνεια"),
    (3, 25, "25η Μαρτίου"),
    (5, 1, "Πρωτομαγιά"),
    (8, 15, "Κοίμηση της Θεοτόκου"),
    (10, 28, "28η Οκτωβρίου"),
    (12, 25, "Χριστούγεννα"),
    (12, 26, "Σύναξη της Θεοτόκου"),
)
_FROM_EASTER = (
    (-48, "Καθαρά Δευτέρα"),
    (-2, "Μεγάλη Παρασκευή"),
    (0, "Κυριακή του Πάσχα"),
    (1, "Δευτέρα του Πάσχα"),
    (50, "Αγίου Πνεύματος"),
)


@functools.lru_cache(maxsize=64)
def holidays_of(year: int) -> Mapping[date, str]:
    """Return the holidays of a year with their names."""
    easter = orthodox_easter(year)
    fixed = {date(year, month, day): name for month, day, name in _FIXED}
    return fixed | {easter + timedelta(days=days): name for days, name in _FROM_EASTER}


def orthodox_easter(year: int) -> date:
    """Return Easter Sunday in the calendar in use.

    Source: J. Meeus, Astronomical Algorithms, 2nd ed., ch. 8 (Julian Easter), and the difference
    between the two calendars.
    """
    d = (19 * (year % 19) + 15) % 30
    e = (2 * (year % 4) + 4 * (year % 7) - d + 34) % 7
    month, day = divmod(d + e + 114, 31)
    difference = year // 100 - year // 400 - 2
    return date(year, month, day + 1) + timedelta(days=difference)
