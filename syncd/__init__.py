"""Keeps Open-Xchange secondary mail accounts in step with the groups of a directory."""

__version__ = "0.1.0"
