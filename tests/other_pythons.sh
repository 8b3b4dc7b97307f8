#!/bin/sh
# Run the tests that need no server on the other supported interpreters, as far as they are present. What tries the same
# code a thousand times (worlds, histories, kills, fuzzers, every command of the documents) is left to the first one; of the
# commands, whose tests are the slowest, the demo is run.
set -eu
often="core/test_worlds.py core/test_guard_worlds.py core/test_histories.py ledger/test_histories.py ledger/test_kill.py
    test_documentation.py campaign fuzz cli e2e standins"
left=$(for path in $often; do printf ' --ignore tests/%s' "$path"; done)
found=
for version in 3.12 3.13; do
    for python in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python3; do
        path=$(command -v "$python" 2>/dev/null) || continue
        "$path" -c "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, '$version'.split('.'))))" 2>/dev/null || continue
        venv=.venv-$version
        if [ ! -e "$venv/.installed" ] || [ pyproject.toml -nt "$venv/.installed" ]; then
            "$path" -m venv "$venv"
            "$venv/bin/python" -m pip install --quiet --editable '.[test]' --constraint constraints.txt
            touch "$venv/.installed"
        fi
        echo "== Python $version"
        "$venv/bin/python" -m pytest -q -n 2 -m "not (slapd or samba or ds389 or mariadb or dovecot or prometheus or systemd or campaign)" $left tests
        playground=$(mktemp -d)
        "$venv/bin/syncd" demo "$playground/demo" >"$playground/told" || { cat "$playground/told"; exit 1; }
        rm -r "$playground"
        found="$found $version"
        break
    done
done
[ -n "$found" ] || echo "other interpreters: none of 3.12 and 3.13 is present"
