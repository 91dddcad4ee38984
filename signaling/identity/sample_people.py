"""Invented people for the development provider. Their ΑΦΜ are synthetic: only the check digit fits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SamplePerson:
    """One invented person."""

    tax_number: str
    family_name: str
    given_name: str
    father_name: str
    mother_name: str
    birth_year: str
    description: str
    """What the choice says about them."""


SAMPLE_PEOPLE = (
    SamplePerson("123456783", "ΔΙΑΧΕΙΡΙΣΤΟΥ", "ΑΘΗΝΑ", "ΠΕΤΡΟΣ", "ΕΙΡΗΝΗ", "1978",
                 "διαχειρίστρια συστήματος"),
    SamplePerson("142500000", "ΓΡΑΜΜΑΤΕΑΣ", "ΜΑΡΙΑ", "ΙΩΑΝΝΗΣ", "ΕΛΕΝΗ", "1984",
                 "υπάλληλος Δήμου Παραδείγματος"),
    SamplePerson("200000020", "ΠΡΟΕΔΡΟΥ", "ΝΙΚΟΛΑΟΣ", "ΓΕΩΡΓΙΟΣ", "ΑΝΝΑ", "1966",
                 "πρόεδρος δημοτικού συμβουλίου"),
    SamplePerson("000000048", "ΣΥΜΒΟΥΛΟΥ", "ΕΛΕΝΗ", "ΔΗΜΗΤΡΙΟΣ", "ΣΟΦΙΑ", "1991",
                 "δημοτική σύμβουλος"),
    SamplePerson("000000061", "ΠΟΛΙΤΗΣ", "ΓΙΩΡΓΟΣ", "ΚΩΝΣΤΑΝΤΙΝΟΣ", "ΜΑΡΙΑ", "1957", "δημότης"),
    SamplePerson("150000017", "ΠΟΛΙΤΟΥ", "ΚΑΤΕΡΙΝΑ", "ΣΤΑΥΡΟΣ", "ΦΩΤΕΙΝΗ", "1989",
                 "κωφή πολίτης, εκπροσωπεί και επιχείρηση"),
    SamplePerson("150000029", "ΥΠΑΛΛΗΛΟΥ", "ΑΝΝΑ", "ΧΡΗΣΤΟΣ", "ΒΑΣΙΛΙΚΗ", "1980",
                 "υπάλληλος ΚΕΠ Δήμου Αθηναίων"),
    SamplePerson("150000030", "ΕΞΥΠΗΡΕΤΗΣ", "ΠΕΤΡΟΣ", "ΑΝΤΩΝΙΟΣ", "ΔΕΣΠΟΙΝΑ", "1975",
                 "υπάλληλος ΚΕΠ Δήμου Χανίων"),
    SamplePerson("150000042", "ΕΠΟΠΤΟΥ", "ΙΩΑΝΝΑ", "ΜΙΧΑΗΛ", "ΕΥΓΕΝΙΑ", "1971",
                 "διαχειρίστρια ΚΕΠ, Διεύθυνση Υπηρεσιών Μίας Στάσης"),
    SamplePerson("150000054", "ΔΙΕΡΜΗΝΕΑΣ", "ΛΟΥΚΑΣ", "ΗΛΙΑΣ", "ΘΕΟΔΩΡΑ", "1983",
                 "διερμηνέας ελληνικής νοηματικής"),
)  # fmt: skip
"""The first is the administrator of configs/dev.toml."""
