"""The WSDL and the tools' options are those of the recorded description."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.standins import contract, replay
from tests.standins.options import TOOLS

RECORDED: dict[str, Any] = json.loads((replay.RECORDED / "contract.json").read_text("utf-8"))
XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP = "{http://schemas.xmlsoap.org/wsdl/soap/}"
ACTIONS = ("{http://www.w3.org/2007/05/addressing/metadata}Action", "{http://www.w3.org/2006/05/addressing/wsdl}Action")


@pytest.fixture(scope="module")
def document() -> ElementTree.Element:
    """Give the parsed WSDL."""
    return ElementTree.fromstring(contract.wsdl("http://127.0.0.1/x?a&b"))  # noqa: S314 - our own document


def children(parent: ElementTree.Element | None) -> list[list[str]]:
    """Describe the elements of a sequence as the recording does."""
    assert parent is not None
    described = []
    for element in parent.findall(f"{XS}sequence/*"):
        assert element.get("minOccurs") == "0"
        marks = {"maxOccurs": "*", "nillable": "nil", "form": "qualified"}
        described.append([element.attrib["name"], element.attrib["type"], *(marks[m] for m in marks if element.get(m))])
    return described


def test_types(document: ElementTree.Element) -> None:
    """All types and elements have the recorded children, in order, with nil, repetition and form."""
    prefixes = {uri: prefix for prefix, uri in contract.NAMESPACES.items()}
    found: dict[str, Any] = {}
    forms = {}
    for schema in document.findall(f"{WSDL}types/{XS}schema"):
        prefix = prefixes[schema.attrib["targetNamespace"]]
        forms[prefix] = schema.get("elementFormDefault")
        for kind in schema.findall(f"{XS}complexType"):
            extension = kind.find(f"{XS}complexContent/{XS}extension")
            base = None if extension is None else extension.attrib["base"]
            parts = children(kind if extension is None else extension)
            found[f"{prefix}:{kind.attrib['name']}"] = {"extends": base, "children": parts}
        for element in schema.findall(f"{XS}element"):
            parts = children(element.find(f"{XS}complexType"))
            found[f"element {prefix}:{element.attrib['name']}"] = {"extends": None, "children": parts}
    assert found == RECORDED["types"]
    assert forms == RECORDED["forms"]
    assert contract.NAMESPACES.items() <= RECORDED["namespaces"].items()


def test_operations(document: ElementTree.Element) -> None:
    """Messages, operations with their actions and faults, binding and port have the recorded names."""
    messages = {
        message.attrib["name"]: [[part.attrib["name"], part.attrib["element"]] for part in message]
        for message in document.findall(f"{WSDL}message")
    }
    assert messages == RECORDED["messages"]
    port_type, binding = document.find(f"{WSDL}portType"), document.find(f"{WSDL}binding")
    assert port_type is not None
    assert binding is not None
    soap_actions = {one.attrib["name"]: one[0].attrib["soapAction"] for one in binding.findall(f"{WSDL}operation")}
    found = {}
    for operation in port_type:
        into, out, *faults = operation
        described: list[Any] = []
        for direction in (into, out):
            described += [direction.attrib["message"][2:], [direction.attrib[action] for action in ACTIONS]]
        found[operation.attrib["name"]] = [
            *described,
            [fault.attrib["name"] for fault in faults],
            soap_actions[operation.attrib["name"]],
        ]
    assert found == RECORDED["operations"]
    service = document.find(f"{WSDL}service")
    assert service is not None
    names = [port_type.attrib["name"], binding.attrib["name"], binding[0].attrib["transport"]]
    assert [*names, service.attrib["name"], service[0].attrib["name"]] == RECORDED["names"]
    assert service[0][0].attrib == {"location": "http://127.0.0.1/x?a&b"}


def test_options() -> None:
    """The tools have the recorded options in the recorded order."""
    assert {tool: [list(option) for option in options] for tool, options in TOOLS.items()} == {
        tool: [[name, short or "", value, mark] for name, short, value, mark in options]
        for tool, options in RECORDED["tools"].items()
    }
