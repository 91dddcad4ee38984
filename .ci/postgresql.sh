#!/usr/bin/env bash
# Run a command with a throw-away PostgreSQL of Debian's: its address is in SYNEDRION_TEST_POSTGRESQL.
# As root the server runs as user nobody, because it refuses root. It ends with the command.
set -euo pipefail

binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -z "$binaries" ]; then
    echo "PostgreSQL is missing: .ci/debian.sh test installs it." >&2
    exit 1
fi
folder=$(mktemp -d /tmp/synedrion-postgresql.XXXXXX)
as_server=()
if [ "$(id -u)" = 0 ]; then
    chown nobody "$folder"
    as_server=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
cleanup() {
    "${as_server[@]}" "$binaries/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap cleanup EXIT

cd "$folder"
"${as_server[@]}" "$binaries/initdb" -D "$folder/data" -U synedrion -A trust -E UTF8 --no-locale --no-sync >/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${as_server[@]}" "$binaries/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
    -o "-h 127.0.0.1 -p $port -k $folder -F" start >/dev/null || { cat "$folder/log" >&2; exit 1; }
cd "$OLDPWD"
export SYNEDRION_TEST_POSTGRESQL="postgresql://synedrion@127.0.0.1:$port/postgres"
export SYNEDRION_TEST_POSTGRESQL_DATA="$folder/data"
"$@"
