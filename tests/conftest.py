"""Fixtures of all tests: the real servers."""

pytest_plugins = ["tests.servers.slapd", "tests.servers.mariadb", "tests.servers.prometheus"]
