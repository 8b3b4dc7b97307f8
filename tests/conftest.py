"""Fixtures of all tests: the real servers."""

pytest_plugins = [
    "tests.scheduling",
    "tests.servers.slapd",
    "tests.servers.samba",
    "tests.servers.ds389",
    "tests.servers.dovecot",
    "tests.servers.mariadb",
    "tests.servers.prometheus",
]
