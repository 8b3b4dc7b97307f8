"""Requests and answers of the service as text, in the shapes that were recorded on the wire.

Requests are read with document types refused, so that no entity is ever expanded. Both directions are here: the service
reads requests and writes answers, the command line tools and the tests write requests and read answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from tests.standins.contract import ANSWERS, ENVELOPE, EXPECTED, INSTANCE, NAMESPACES, OPERATIONS, TYPES, Type
from tests.standins.faults import Fault, request_error

_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
_NIL = f"{INSTANCE} nil"
_MORE_DETAIL = {"InvalidDataException": "ns4:objectname", "RemoteException": "ns5:message"}
_IGNORED = "clusterWeight"
"""The one element that the server drops without a word wherever it does not belong."""


@dataclass(slots=True)
class Element:
    """An element: namespace and name apart, as expat gives them."""

    uri: str
    name: str
    nil: bool
    children: list[Element] = field(default_factory=list)
    text: str = ""


def parse(body: bytes) -> Element:
    """Parse a document.

    Raises:
        Fault: it is not well-formed, or has a document type.
    """
    root = Element("", "", nil=False)
    stack = [root]

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        uri, _, name = tag.rpartition(" ")
        element = Element(uri, name, nil=attributes.get(_NIL, "").strip() in {"true", "1"})
        stack[-1].children.append(element)
        stack.append(element)

    def text(some: str) -> None:
        stack[-1].text += some

    def refuse(*_: object) -> None:
        raise request_error(
            "Error reading XMLStreamReader: Received event DTD, instead of START_ELEMENT or END_ELEMENT."
        )

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise request_error(f"Unmarshalling Error: {_malformed(body, error)} ") from None
    return root.children[0]


def _malformed(body: bytes, error: expat.ExpatError) -> str:
    """Say what is wrong in the server's words where a close tag is the wrong one, else in the parser's."""
    if error.code != expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH]:
        return str(error)
    opened: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, _: opened.append(tag)
    parser.EndElementHandler = lambda _: opened.pop()
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        at = parser.ErrorByteIndex
    begin = body.rindex(b"<", 0, at + 1)
    found = body[begin : body.index(b">", begin) + 1].decode()
    line = body.count(b"\n", 0, begin) + 1
    column = begin - body.rfind(b"\n", 0, begin) + len(found) - 2  # the vendor's parser stands at the name's end
    return (
        f"Unexpected close tag {found}; expected </{opened[-1]}>.\n at [row,col {{unknown-source}}]: [{line},{column}]"
    )


def read_request(body: bytes) -> tuple[str, dict[str, Any]]:
    """Read a request: the operation, and its arguments as far as they were given.

    Absent elements are missing from the arguments, nil is None; repeated elements are lists.

    Raises:
        Fault: the request cannot be understood (`soap:Client`).
    """
    envelope = parse(body)
    if envelope.name == "Envelope" and envelope.uri != ENVELOPE:
        raise Fault("A SOAP 1.2 message is not valid when sent to a SOAP 1.1 only endpoint.", code="VersionMismatch")
    bodies = [element for element in envelope.children if (element.uri, element.name) == (ENVELOPE, "Body")]
    if envelope.name != "Envelope" or not bodies or not bodies[0].children:
        raise request_error(f"Error reading XMLStreamReader: {envelope.name} has no body with an operation.")
    call = bodies[0].children[0]
    if call.uri != NAMESPACES["T"] or call.name not in OPERATIONS:
        raise request_error("NO_PART_FOUND")
    return call.name, _value(call, OPERATIONS[call.name], "T", f"T:{call.name}")


def _value(element: Element, fields: Type, prefix: str, kind: str) -> dict[str, Any]:
    """Read the children of an element of a complex type."""
    values: dict[str, Any] = {}
    for child in element.children:
        if child.name == _IGNORED:
            continue
        if child.name not in fields or child.uri != NAMESPACES[prefix]:
            names = "".join(f",<{{{NAMESPACES[prefix]}}}{name}>" for name in EXPECTED.get(kind, fields))
            raise request_error(
                f'Unmarshalling Error: unexpected element (uri:"{child.uri}", local:"{child.name}"). '
                f"Expected elements are {names[1:]} "
            )
        of = fields[child.name]
        value = None if child.nil else _typed(child, of.rstrip("*"))
        if of.endswith("*"):
            values.setdefault(child.name, []).append(value)
        else:
            values[child.name] = value
    return values


def _typed(element: Element, kind: str) -> Any:
    if kind in TYPES:
        return _value(element, TYPES[kind], kind[0], kind)
    if kind == "xs:string":
        return element.text
    text = element.text.strip()
    if kind == "xs:boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text)  # all else is as if it were not there
    try:
        return int(text) if text else None
    except ValueError:
        raise request_error(f"Unmarshalling Error: Not a number: {element.text} ") from None


def write_request(operation: str, arguments: Mapping[str, Any]) -> bytes:
    """Write a request; None becomes a nil element, what is not in the arguments is left out."""
    declared = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in "TDR")
    body = _children(arguments, OPERATIONS[operation], "T")
    return (
        f'<S:Envelope xmlns:S="{ENVELOPE}"{declared} xmlns:xsi="{INSTANCE}"><S:Body>'
        f"<T:{operation}>{body}</T:{operation}></S:Body></S:Envelope>"
    ).encode()


def _children(values: Mapping[str, Any], fields: Type, prefix: str) -> str:
    text = ""
    for name, of in fields.items():
        if name in values:
            for value in values[name] if of.endswith("*") else [values[name]]:
                text += _child(f"{prefix}:{name}", of.rstrip("*"), value)
    return text


def _child(tag: str, kind: str, value: Any) -> str:
    if value is None:
        return f'<{tag} xsi:nil="true"/>'
    content = _children(value, TYPES[kind], kind[0]) if kind in TYPES else _plain(value)
    return f"<{tag}>{content}</{tag}>"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return escape(str(value), {"\r": "&#13;"})


def write_answer(operation: str, result: bool | list[dict[str, object]] | None) -> bytes:
    """Write the answer to a call that succeeded; the body of create's is empty."""
    if result is None:
        return _envelope("")
    declared = f'xmlns="{NAMESPACES["D"]}" ' + " ".join(
        f'xmlns:ns{number}="{NAMESPACES[prefix]}"' for number, prefix in enumerate("TRXJ", 2)
    )
    items: Iterable[str] = [_plain(result)] if isinstance(result, bool) else map(_account, result)
    returned = "".join(f"<ns2:return>{item}</ns2:return>" for item in items)
    tag = f"ns2:{operation}Response"
    return _envelope(f"<{tag} {declared}>{returned}</{tag}>" if returned else f"<{tag} {declared}/>")


def _account(account: Mapping[str, object]) -> str:
    nil = f' xmlns:xsi="{INSTANCE}" xsi:nil="true"/>'
    return "".join(
        f"<{name}{nil}" if account[name] is None else f"<{name}>{_plain(account[name])}</{name}>"
        for name in TYPES["D:Account"]
    )


def write_fault(fault: Fault) -> bytes:
    """Write a fault; only declared exceptions have a detail element."""
    detail = ""
    if fault.detail is not None:
        declared = " ".join(f'xmlns:ns{number}="{NAMESPACES[prefix]}"' for number, prefix in ((5, "J"), (4, "X")))
        declared += f' xmlns:ns3="{NAMESPACES["R"]}" xmlns:ns2="{NAMESPACES["T"]}" xmlns="{NAMESPACES["D"]}"'
        inner = f'<ns2:Exception xmlns:xsi="{INSTANCE}" xsi:nil="true"/>'
        if fault.detail in _MORE_DETAIL:
            inner += f'<{_MORE_DETAIL[fault.detail]} xmlns:xsi="{INSTANCE}" xsi:nil="true"/>'
        tag = f"ns2:{fault.detail}"
        detail = f"<detail><{tag} {declared}><{tag}>{inner}</{tag}></{tag}></detail>"
    return _envelope(
        f"<soap:Fault><faultcode>soap:{fault.code}</faultcode>"
        f"<faultstring>{_plain(fault.message).replace('&gt;', '>')}</faultstring>{detail}</soap:Fault>"
    )


def _envelope(body: str) -> bytes:
    return f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body>{body}</soap:Body></soap:Envelope>'.encode()


def read_answer(body: bytes) -> bool | list[dict[str, Any]] | None:
    """Read an answer; elements that are nil are None.

    Raises:
        Fault: the answer is a fault.
    """
    children = parse(body).children[0].children
    if not children:
        return None
    answer = children[0]
    if answer.name == "Fault":
        parts = {child.name: child for child in answer.children}
        detail = parts["detail"].children[0].name if "detail" in parts else None
        code = parts["faultcode"].text.partition(":")[2]
        raise Fault(parts["faultstring"].text, detail=detail, code=code)
    if ANSWERS[answer.name]["return"] == "xs:boolean":
        return answer.children[0].text == "true"
    return [_value(child, TYPES["D:Account"], "D", "D:Account") for child in answer.children]
