"""Who writes, as far as the rules of prescriptions distinguish.

Source: practice policy; an import copies what another system holds.
"""

from __future__ import annotations

from models.principal import ClientKind, Principal


def is_import(writer: Principal) -> bool:
    """Tell whether this is the operator or an EHR system: it answers for no prescriber and no number."""
    return writer.is_operator or (writer.client_kind is ClientKind.EHR and writer.user is None)
