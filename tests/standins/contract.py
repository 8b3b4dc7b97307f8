"""The contract of the SOAP service as data: namespaces, types, operations, faults, and the WSDL made from them.

It is that of the vendor's `OXSecondaryAccountService` (level 8.19). All that reads and writes XML here, and the command
line tools, take their names from this module; `test_contract.py` compares it with the recorded description.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

NAMESPACES: Mapping[str, str] = {
    "T": "http://soap.admin.openexchange.com",
    "D": "http://dataobjects.soap.admin.openexchange.com/xsd",
    "R": "http://dataobjects.rmi.admin.openexchange.com/xsd",
    "X": "http://exceptions.rmi.admin.openexchange.com/xsd",
    "J": "http://rmi.java/xsd",
    "I": "http://io.java/xsd",
}
"""Prefix → namespace; the prefixes are only ours."""
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
SERVICE = "OXSecondaryAccountService"
PORT = "OXSecondaryAccountServiceHttpSoap12Endpoint"
PATH = f"/webservices/{SERVICE}"

Type = Mapping[str, str]
"""Element → its type: `xs:…`, a type of `TYPES`, with `*` behind it where it may be repeated."""

_IDENTITY = {"login": "xs:string", "password": "xs:string", "name": "xs:string"}
_PEOPLE = {"personal": "xs:string", "replyTo": "xs:string"}
_MAIL = {
    "mailServer": "xs:string",
    "mailPort": "xs:int",
    "mailProtocol": "xs:string",
    "mailSecure": "xs:boolean",
    "mailStartTls": "xs:boolean",
}
_CREDENTIALS = {"transportLogin": "xs:string", "transportPassword": "xs:string"}
_TRANSPORT = {
    "transportServer": "xs:string",
    "transportPort": "xs:int",
    "transportProtocol": "xs:string",
    "transportSecure": "xs:boolean",
    "transportStartTls": "xs:boolean",
}
FOLDERS: Mapping[str, str] = {
    "archiveFullname": "archive_fullname",
    "draftsFullname": "drafts_fullname",
    "sentFullname": "sent_fullname",
    "spamFullname": "spam_fullname",
    "trashFullname": "trash_fullname",
    "confirmedSpamFullname": "confirmed_spam_fullname",
    "confirmedHamFullname": "confirmed_ham_fullname",
}
"""Element → column of `user_mail_account`."""
_FOLDERS = dict.fromkeys(FOLDERS, "xs:string")
_ADDRESS = {"primaryAddress": "xs:string"}
_DATA = _IDENTITY | _ADDRESS | _PEOPLE | _MAIL | _CREDENTIALS | _TRANSPORT | _FOLDERS

TYPES: Mapping[str, Type] = {
    "D:Context": {"id": "xs:int"},
    "D:User": {"id": "xs:int"},
    "D:Group": {"id": "xs:int"},
    "D:Account": {"contextId": "xs:int", "userId": "xs:int", "id": "xs:int"} | _DATA,
    "D:AccountDataOnCreate": {
        **(_IDENTITY | _ADDRESS | _PEOPLE | {"mailEndpointSource": "xs:string"} | _MAIL | _CREDENTIALS),
        **({"transportEndpointSource": "xs:string"} | _TRANSPORT | _FOLDERS),
    },
    "D:AccountDataUpdate": _IDENTITY | _PEOPLE | _MAIL | _CREDENTIALS | _TRANSPORT | _FOLDERS,
    "D:AccountData": _DATA,
    "R:Credentials": {"login": "xs:string", "password": "xs:string"},
}
_WHO = {"context": "D:Context", "users": "D:User*", "groups": "D:Group*", "auth": "R:Credentials"}
OPERATIONS: Mapping[str, Type] = {
    "list": _WHO,
    "delete": {"primaryAddress": "xs:string"} | _WHO,
    "create": {"accountDataOnCreate": "D:AccountDataOnCreate"} | _WHO,
    "update": {"primaryAddress": "xs:string", "accountDataUpdate": "D:AccountDataUpdate"} | _WHO,
}
"""Operation → the children of its request element (in namespace T, all of them optional and nillable)."""
ANSWERS: Mapping[str, Type] = {
    "listResponse": {"return": "D:Account*"},
    "deleteResponse": {"return": "xs:boolean"},
    "updateResponse": {"return": "xs:boolean"},
}
"""Answer → its children; create answers by an empty body."""
FAULTS = (
    "NoSuchUserException",
    "StorageException",
    "NoSuchContextException",
    "InvalidDataException",
    "RemoteException",
    "DatabaseUpdateException",
    "InvalidCredentialsException",
)
EXPECTED: Mapping[str, tuple[str, ...]] = {
    "D:AccountDataOnCreate": (
        *("mailStartTls", "mailEndpointSource", "transportEndpointSource", "confirmedSpamFullname", "primaryAddress"),
        *("transportServer", "replyTo", "name", "mailPort", "transportSecure", "transportStartTls", "personal"),
        *("transportProtocol", "password", "transportPassword", "transportPort", "archiveFullname", "trashFullname"),
        *("transportLogin", "sentFullname", "draftsFullname", "mailProtocol", "mailSecure", "mailServer", "login"),
        *("spamFullname", "confirmedHamFullname"),
    ),
}
"""The order in which the server names the elements it knows when it meets one it does not; others by their type."""


def wsdl(address: str) -> str:
    """Give the WSDL 1.1 document with the address where the service is said to be (everything inline)."""
    declared = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in NAMESPACES.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
        ' xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:wsam="http://www.w3.org/2007/05/addressing/metadata"'
        ' xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl"'
        f"{declared} name={quoteattr(SERVICE)} targetNamespace={quoteattr(NAMESPACES['T'])}>\n"
        f"<wsdl:types>\n{''.join(_schema(prefix) for prefix in NAMESPACES)}</wsdl:types>\n"
        f"{_messages()}{_port_type()}{_binding()}"
        f'<wsdl:service name="{SERVICE}"><wsdl:port name="{PORT}" binding="T:{SERVICE}SoapBinding">'
        f"<soap:address location={quoteattr(address)}/></wsdl:port></wsdl:service>\n</wsdl:definitions>\n"
    )


def _schema(prefix: str) -> str:
    """Write the schema of a namespace; the imports come without a location, since all schemas are in the document."""
    # R says "qualified" at each of its elements and not for the schema, as recorded; I has no elements
    form = "" if prefix in {"R", "I"} else ' elementFormDefault="qualified"'
    imports = "".join(f"<xs:import namespace={quoteattr(uri)}/>" for name, uri in NAMESPACES.items() if name != prefix)
    body = "".join(
        f'<xs:complexType name="{name[2:]}">{_sequence(fields, prefix)}</xs:complexType>'
        for name, fields in TYPES.items()
        if name.startswith(f"{prefix}:")
    )
    return (
        f"<xs:schema targetNamespace={quoteattr(NAMESPACES[prefix])}{form}>{imports}{body}{_more(prefix)}</xs:schema>\n"
    )


def _more(prefix: str) -> str:
    """Write the elements of requests, answers and faults (T), and the types of the faults (T, X, J, I)."""
    if prefix == "T":
        details = {name: {name: "J:RemoteException" if name == "RemoteException" else f"X:{name}"} for name in FAULTS}
        elements = {**OPERATIONS, **ANSWERS, **details}
        return (
            '<xs:complexType name="Exception">'
            + _sequence({"Exception": "xs:anyType"}, "T")
            + ("</xs:complexType>")
            + "".join(
                f'<xs:element name="{name}"><xs:complexType>{_sequence(fields, "T")}</xs:complexType></xs:element>'
                for name, fields in elements.items()
            )
        )
    if prefix == "X":
        more = {"InvalidDataException": {"objectname": "xs:string"}}
        return "".join(_extension(name, "T:Exception", more.get(name, {})) for name in FAULTS if name[:6] != "Remote")
    if prefix == "J":
        return _extension("RemoteException", "I:IOException", {"message": "xs:string"})
    return _extension("IOException", "T:Exception", {}) if prefix == "I" else ""


def _extension(name: str, base: str, fields: Type) -> str:
    return (
        f'<xs:complexType name="{name}"><xs:complexContent><xs:extension base="{base}">'
        f"{_sequence(fields, name)}</xs:extension></xs:complexContent></xs:complexType>"
    )


def _sequence(fields: Type, prefix: str) -> str:
    return "<xs:sequence>" + "".join(_element(name, kind, prefix) for name, kind in fields.items()) + "</xs:sequence>"


def _element(name: str, kind: str, prefix: str) -> str:
    many = ' maxOccurs="unbounded"' if kind.endswith("*") else ""
    nil = "" if (name, kind) == ("return", "xs:boolean") else ' nillable="true"'
    form = ' form="qualified"' if prefix == "R" else ""
    return f'<xs:element{form} name="{name}" type="{kind.rstrip("*")}" minOccurs="0"{many}{nil}/>'


def _messages() -> str:
    parameters = {name: f"T:{name}" for name in (*OPERATIONS, *ANSWERS)}
    parts = {name: f'<wsdl:part name="parameters" element="{element}"/>' for name, element in parameters.items()}
    parts["createResponse"] = ""
    parts |= {f"{name}_Exception": f'<wsdl:part name="{name}_Exception" element="T:{name}"/>' for name in FAULTS}
    return "".join(f'<wsdl:message name="{name}">{part}</wsdl:message>\n' for name, part in parts.items())


def _port_type() -> str:
    operations = "".join(
        f'<wsdl:operation name="{name}">{_direction("input", name)}{_direction("output", f"{name}Response")}'
        + "".join(f'<wsdl:fault name="{fault}_Exception" message="T:{fault}_Exception"/>' for fault in FAULTS)
        + "</wsdl:operation>\n"
        for name in OPERATIONS
    )
    return f'<wsdl:portType name="{SERVICE}PortType">\n{operations}</wsdl:portType>\n'


def _direction(direction: str, message: str) -> str:
    return f'<wsdl:{direction} message="T:{message}" wsam:Action="urn:{message}" wsaw:Action="urn:{message}"/>'


def _binding() -> str:
    operations = "".join(
        f'<wsdl:operation name="{name}"><soap:operation soapAction="urn:{name}" style="document"/>'
        '<wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>'
        + "".join(
            f'<wsdl:fault name="{fault}_Exception"><soap:fault name="{fault}_Exception" use="literal"/></wsdl:fault>'
            for fault in FAULTS
        )
        + "</wsdl:operation>\n"
        for name in OPERATIONS
    )
    return (
        f'<wsdl:binding name="{SERVICE}SoapBinding" type="T:{SERVICE}PortType">'
        f'<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>\n{operations}</wsdl:binding>\n'
    )
