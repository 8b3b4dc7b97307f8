"""The account store that writes by Open-Xchange's SOAP service; all laws of such writing are in `provisioning`."""

from __future__ import annotations

from syncd.openxchange.base import AccountStore
from syncd.openxchange.provisioning import ProvisioningStore
from syncd.openxchange.soap_service import SoapService


class SoapStore(ProvisioningStore):
    """`AccountStore` by SOAP; not for several threads at once."""

    def __init__(self, reader: AccountStore, service: SoapService) -> None:
        """Put both together; `reader` reads the database that the service writes to, from its write server."""
        super().__init__(reader, service)
