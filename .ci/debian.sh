#!/usr/bin/env bash
# Install the Debian packages that `make run` (argument: run), `make test` (argument: test) or `make bench` (argument: bench)
# need and that are missing.
# Without root it installs nothing and names what is missing.
set -euo pipefail

missing=()
need() { # command, package
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

need cc gcc
need cargo cargo
need node nodejs
need npm npm
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $(python3 --version) is installed." >&2
    exit 1
}
if [ "${1:-run}" = test ]; then
    need c++ g++
    need pkg-config pkg-config
    ls /usr/include/openssl/srtp.h >/dev/null 2>&1 || missing+=(libssl-dev)
    need chromium chromium
    need firefox-esr firefox-esr
    need redis-server redis-server
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
    need strace strace
    ls /usr/share/fonts/truetype/noto/NotoSans-* >/dev/null 2>&1 || missing+=(fonts-noto-core)
fi
if [ "${1:-run}" = bench ]; then
    need janus janus # what a packet is compared with; the bench starts it itself
    need chromium chromium
fi

if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing: ${missing[*]}. Install them (apt-get install ${missing[*]}) and call make again." >&2
        exit 1
    fi
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    # Debian starts what it installs: the bench wants no other Janus beside its own.
    if [[ " ${missing[*]} " == *" janus "* ]] && [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet janus
    fi
fi

# The engine needs edition 2024 (Rust 1.88); Debian 12's own cargo is older.
version=$(cargo --version | cut -d' ' -f2)
if [ "$(printf '%s\n1.88.0\n' "$version" | sort -V | head -1)" != 1.88.0 ]; then
    echo "cargo $version is too old: the engine needs Rust 1.88 or newer (rustup installs it)." >&2
    exit 1
fi
