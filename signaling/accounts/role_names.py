"""What the roles are called in mails. Pages have their own texts."""

from __future__ import annotations

from signaling.accounts.rights import AccountRole

ROLE_NAMES = {
    AccountRole.SIMPLE_USER: "Απλός χρήστης",
    AccountRole.UNIT_COORDINATOR: "Συντονιστής Οργανικής Μονάδας",
    AccountRole.BODY_COORDINATOR: "Συντονιστής Φορέα",
    AccountRole.ADMINISTRATOR: "Διαχειριστής συστήματος",
    AccountRole.KEP_EMPLOYEE: "Υπάλληλος ΚΕΠ",
    AccountRole.KEP_ADMINISTRATOR: "Διαχειριστής ΚΕΠ (Διεύθυνση Υπηρεσιών Μίας Στάσης)",
}
