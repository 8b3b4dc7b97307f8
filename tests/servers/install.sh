#!/bin/sh
# Install the servers that the tests start, on Debian as root; elsewhere say what is missing.
# Usage: install.sh [all]. Without `all` those of `make test` alone: no Samba, no 389 Directory Server, and not what it
# takes to compile mysqlclient.
# No package may start a daemon: a policy-rc.d that forbids it stands for as long as apt works.
set -eu
PATH=$PATH:/usr/sbin:/sbin

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need slapd slapd
need ldapsearch ldap-utils
need mariadbd mariadb-server
need mariadb mariadb-client
need promtool prometheus
need /usr/lib/dovecot/imap-login dovecot-imapd
need /usr/lib/dovecot/submission-login dovecot-submissiond
need openssl openssl
need systemd-analyze systemd
if [ "${1:-}" = all ]; then
    need samba samba-ad-dc
    /usr/bin/python3 -I -c 'import samba.provision' 2>/dev/null || missing="$missing python3-samba"
    [ -d /usr/share/samba/setup ] || missing="$missing samba-ad-provision"
    need ns-slapd 389-ds-base
    need certutil libnss3-tools
    need mariadb_config libmariadb-dev
    need pkg-config pkgconf
    need gcc gcc
    [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
    headers=$("${PYTHON:-python3}" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "$headers/Python.h" ] || missing="$missing python3-dev"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "tests: not installed:$missing; the tests that need them will be left out, and fail in CI" >&2
    exit 0
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update -qq
# shellcheck disable=SC2086 # several packages
apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
