"""What an appointment keeps about people, encrypted (signaling.vault)."""

from __future__ import annotations

import msgspec

from signaling.kep.values import SpecialRequirement
from signaling.storage.models import Appointment, AppointmentGuest
from signaling.vault import Vault


class PersonalData(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes part and how they are reached (R48–R51), and for whom they act (R41)."""

    name: str
    email: str
    phone: str
    address: str
    legal_person: str = ""
    """Whom the citizen represents; empty: themselves."""
    token: str = ""
    """Of the mailed link: the reminder carries the same."""


class Needs(msgspec.Struct, frozen=True):
    """Special requirements (R53). Health data: for the citizen and the serving ΚΕΠ only."""

    kinds: tuple[SpecialRequirement, ...] = ()
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.kinds or self.note)


class GuestData(msgspec.Struct, frozen=True):
    """A third person (R60)."""

    name: str
    token: str
    """Of the mailed link."""


class PersonalVault:
    """Seals and opens what is above; each is bound to its appointment."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, appointment_id: str, data: PersonalData) -> bytes:
        """Return `data` encrypted."""
        text = msgspec.json.encode(data).decode()
        return self._vault.encrypt(text, f"appointment:{appointment_id}")

    def open(self, appointment: Appointment) -> PersonalData:
        """Return what was sealed.

        Raises:
            VaultError: altered, or of another key.
        """
        text = self._vault.decrypt(appointment.personal, f"appointment:{appointment.id}")
        return msgspec.json.decode(text, type=PersonalData)

    def seal_needs(self, appointment_id: str, needs: Needs) -> bytes | None:
        """Return special requirements encrypted; None: there are none."""
        if not needs:
            return None
        text = msgspec.json.encode(needs).decode()
        return self._vault.encrypt(text, f"appointment-needs:{appointment_id}")

    def open_needs(self, appointment: Appointment) -> Needs:
        """Return the special requirements.

        Raises:
            VaultError: altered, or of another key.
        """
        if appointment.needs is None:
            return Needs()
        text = self._vault.decrypt(appointment.needs, f"appointment-needs:{appointment.id}")
        return msgspec.json.decode(text, type=Needs)

    def seal_guest(self, guest_id: str, data: GuestData) -> bytes:
        """Return what is kept of a third person encrypted."""
        text = msgspec.json.encode(data).decode()
        return self._vault.encrypt(text, f"appointment-guest:{guest_id}")

    def open_guest(self, guest: AppointmentGuest) -> GuestData:
        """Return what is kept of a third person.

        Raises:
            VaultError: altered, or of another key.
        """
        text = self._vault.decrypt(guest.personal, f"appointment-guest:{guest.id}")
        return msgspec.json.decode(text, type=GuestData)
