"""The interoperability centre (ΚΕ.Δ., R80): asks whether the data of an identity document are right.

Every question carries the centre's six audit fields (`signaling.audit.ked`). Nothing of question or
answer is logged or kept but the transaction's id and the yes or no.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from signaling.audit.ked import KedAudit
from signaling.identity.http import ProviderHttp, read_json
from signaling.identity.provider import ProviderUnavailable
from signaling.kep.config import CentreConfig
from signaling.kep.values import IdentityDocument


@dataclass(frozen=True)
class IdentityQuestion:
    """The data to confirm."""

    tax_number: str = field(repr=False)
    given_name: str = field(repr=False)
    family_name: str = field(repr=False)
    document: IdentityDocument
    document_number: str = field(repr=False)


class CentreUnavailable(Exception):
    """No answer now. The identity is not confirmed; try again or abort."""


class Centre(Protocol):
    """Confirms identities."""

    async def confirm(self, question: IdentityQuestion, audit: KedAudit) -> bool:
        """Return whether the data are those of the registry.

        Raises:
            CentreUnavailable: see above.
        """


class KedAnswer(msgspec.Struct, rename="camel"):
    """What the centre answers: a result or an error, and its own number of the question."""

    call_sequence_id: int
    call_sequence_date: str
    confirm_identity_output_record: dict[str, Any] | None = None
    error_record: dict[str, Any] | None = None


class KedCentre:
    """The centre over HTTPS: JSON with `auditRecord` and `confirmIdentityInputRecord`."""

    def __init__(self, config: CentreConfig, password: str, http: ProviderHttp) -> None:
        self._config = config
        self._password = password
        self._http = http

    async def confirm(self, question: IdentityQuestion, audit: KedAudit) -> bool:
        """See `Centre`."""
        body = {
            "auditRecord": audit.for_centre(),
            "confirmIdentityInputRecord": {
                "afm": question.tax_number,
                "firstname": question.given_name,
                "lastname": question.family_name,
                "documentType": question.document.value,
                "documentNumber": question.document_number,
            },
        }
        try:
            status, answer = await self._http.post_json(
                self._config.address, body, user=self._config.username, password=self._password
            )
            known = msgspec.convert(read_json(answer), KedAnswer)
        except (ProviderUnavailable, msgspec.ValidationError) as error:
            raise CentreUnavailable(type(error).__name__) from error
        record = known.confirm_identity_output_record
        if status != 200 or known.error_record or record is None:
            raise CentreUnavailable("the centre refused the question")
        return record.get("isConfirmed") is True
