#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: scripts/setup.sh packages|browser|packaging|packaging-python|python|canaille|prometheus
#
# packages:         installs from Debian what scripts/debian-packages.txt names and this machine lacks.
# browser:          installs Chromium, which only the tests of the status page want.
# packaging:        the same with scripts/debian-packages-packaging.txt.
# packaging-python: makes .build/packaging-venv with what the tests of the package need.
# python:           makes .build/venv with what the end-to-end tests need.
# canaille:         makes .build/canaille-venv, a real OpenID provider for one of those tests.
# prometheus:       unpacks Debian's package into .build/prometheus. Installed, it would start a service.
# Each does nothing when there is nothing to do, and asks for root only where apt needs it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "setup: $1"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
    command -v swift >/dev/null \
        || fail "there is no swift in PATH; install the Swift 6.3 toolchain from https://www.swift.org/install/linux/ first"
    command -v dpkg-query >/dev/null \
        || fail "this is not Debian; install the libraries that scripts/debian-packages.txt names by hand, then use 'make build' alone"
    local wanted missing=() name
    mapfile -t wanted < <(grep -Ev '^[[:space:]]*(#|$)' "$1")
    for name in "${wanted[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] \
            || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null \
        || fail "these packages are missing and need root; run as root: apt-get install ${missing[*]}"
    say "setup: installing ${missing[*]}"
    local options=(-y -q -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 --no-install-recommends)
    as_root apt-get -q -o Acquire::Retries=3 update >&2 \
        || say "setup: apt-get update failed; trying with the package lists that are here"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "${missing[@]}" >&2 \
        || fail "apt-get could not install ${missing[*]}; its own message above says why. Is the machine online, and is another apt running?"
}

# A Python that is new enough and can make environments: the one in PATH, or else Debian's.
find_python() {
    local least=$1 candidate
    for candidate in ${PYTHON:-} python3 /usr/bin/python3; do
        if "$candidate" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < ($least))" \
            >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

make_environment() {
    local folder=$1 requirements=$2 least=$3 python
    local stamp="$folder/.made-from"
    if [ -x "$folder/bin/python" ] && cmp -s "$requirements" "$stamp" \
        && "$folder/bin/python" -c '' 2>/dev/null; then
        return 0
    fi
    python=$(find_python "$least") \
        || fail "no Python ${least/, /.} or newer with venv was found; install python3-venv, or name one: make PYTHON=/usr/bin/python3 …"
    say "setup: making $folder"
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    "$python" -m venv "$folder" \
        || fail "$python could not make $folder; its own message above says why"
    "$folder/bin/python" -m pip --disable-pip-version-check --no-input -q install --retries 5 \
        --requirement "$requirements" >&2 \
        || fail "pip could not install what $requirements names; its own message above says why. Is the machine online?"
    cp "$requirements" "$stamp"
}

download_prometheus() {
    (cd "$1" && apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root download prometheus >&2)
}

unpack_prometheus() {
    local folder=.build/prometheus making=.build/prometheus.new
    [ ! -x "$folder/usr/bin/promtool" ] || return 0
    say "setup: making $folder"
    rm -rf "$making"
    mkdir -p "$making"
    # Lists that are older than the archive name files that are gone.
    download_prometheus "$making" \
        || { as_root apt-get -q -o Acquire::Retries=3 update >&2 && download_prometheus "$making"; } \
        || fail "apt-get could not fetch the package prometheus; its own message above says why. Is the machine online?"
    dpkg-deb --extract "$making"/prometheus_*.deb "$making" \
        || fail "dpkg-deb could not unpack the package prometheus; its own message above says why"
    rm -f "$making"/prometheus_*.deb
    mv "$making" "$folder"
}

case "${1:-}" in
    packages) install_packages scripts/debian-packages.txt ;;
    browser) install_packages <(echo chromium) ;;
    packaging) install_packages scripts/debian-packages-packaging.txt ;;
    packaging-python)
        make_environment .build/packaging-venv Tests/Packaging/requirements.txt "3, 10"
        ;;
    python) make_environment .build/venv Tests/EndToEnd/requirements.txt "3, 10" ;;
    canaille)
        make_environment .build/canaille-venv Tests/EndToEnd/requirements-canaille.txt "3, 10"
        ;;
    prometheus) unpack_prometheus ;;
    *)
        say "usage: scripts/setup.sh packages|browser|packaging|packaging-python|python|canaille|prometheus"
        exit 64
        ;;
esac
