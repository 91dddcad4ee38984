"""The six audit fields of the interoperability centre (ΚΕ.Δ.), and what our chain keeps of them.

Every call to the centre names who asked for what, when and from where. The chain holds the same six, so
that one identity check here is one there; person and address under pseudonyms. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,63}")
MAX_UNIT = 128


class KedFieldWrong(ValueError):
    """A field is not as the centre wants it. The text names the field, never its value."""

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(f"{name}: {wanted}")
        self.name = name


@dataclass(frozen=True)
class KedAudit:
    """The centre's `auditRecord`.

    Raises:
        KedFieldWrong: see above.
    """

    transaction_id: str
    """auditTransactionId: ours, unique. The entry in the chain has the same."""
    transaction_date: datetime
    """auditTransactionDate, with its zone."""
    unit: str
    """auditUnit: the service that asks."""
    protocol: str
    """auditProtocol: number of the case or of the appointment."""
    user_id: str = field(repr=False)
    """auditUserId: the employee's id."""
    user_ip: str = field(repr=False)
    """auditUserIp: the employee's address."""

    def __post_init__(self) -> None:
        for name, value in (
            ("auditTransactionId", self.transaction_id),
            ("auditProtocol", self.protocol),
            ("auditUserId", self.user_id),
        ):
            if not _CODE.fullmatch(value):
                raise KedFieldWrong(name, "1 to 64 letters, digits and . _ / : -")
        if self.transaction_date.utcoffset() is None:
            raise KedFieldWrong("auditTransactionDate", "a moment with its zone")
        if not self.unit.strip() or len(self.unit) > MAX_UNIT or not self.unit.isprintable():
            raise KedFieldWrong("auditUnit", f"1 to {MAX_UNIT} printable characters")
        try:
            ipaddress.ip_address(self.user_ip)
        except ValueError:
            raise KedFieldWrong("auditUserIp", "an IPv4 or IPv6 address") from None

    def for_centre(self) -> dict[str, str]:
        """Return the fields for the call to the centre: in clear. Never to be logged."""
        return {
            "auditTransactionId": self.transaction_id,
            "auditTransactionDate": self.transaction_date.isoformat(timespec="seconds"),
            "auditUnit": self.unit,
            "auditProtocol": self.protocol,
            "auditUserId": self.user_id,
            "auditUserIp": str(ipaddress.ip_address(self.user_ip)),
        }

    def for_chain(self, pseudonym: Callable[[str], str]) -> dict[str, str]:
        """Return the fields for the chain: `pseudonym` stands in for person and address."""
        clear = self.for_centre()
        return clear | {
            "auditUserId": pseudonym(self.user_id),
            "auditUserIp": pseudonym(f"address\0{clear['auditUserIp']}"),
        }
