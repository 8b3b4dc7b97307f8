"""Open whatever a URL of the directory names: a server or an export."""

from __future__ import annotations

from syncd.directory.connection import Options, connect, parse_url
from syncd.directory.ldif import LdifSearcher
from syncd.directory.search import Searcher


def open_searcher(url: str, options: Options) -> Searcher:
    """Connect and bind to a server, or read an export.

    Raises:
        DirectoryError: that was not possible; the text says why.
    """
    address = parse_url(url)
    return LdifSearcher.load(address.host, url) if address.scheme == "ldif" else connect(url, options)
