#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: Tests/EndToEnd/sabotage/run.sh [NAME…]
#
# Builds the agent with a bug that it must never have, once for each *.patch here, and shows that
# the kill test fails on it, and for that reason. The tree itself is not touched: all of it happens
# in a copy under .build/sabotage. A sabotage that the test does not notice fails this script.
set -euo pipefail
cd "$(dirname "$0")/../../.."

here=Tests/EndToEnd/sabotage
copy=$PWD/.build/sabotage/tree
scratch=$PWD/.build/sabotage/build
python=${SEALTAIL_TEST_PYTHON:-$PWD/.build/venv/bin/python}
names=("$@")
[ ${#names[@]} -gt 0 ] || for patch in "$here"/*.patch; do names+=("$(basename "$patch" .patch)"); done

unnoticed=0
for name in "${names[@]}"; do
    patch=$PWD/$here/$name.patch
    expected=$(sed -n 's/^Expected: //p' "$patch")
    printf '\n== %s: %s\n' "$name" "$(sed -n 's/^Subject: //p' "$patch")"
    mkdir -p "$copy"
    # Only what differs is copied, so that each build after the first is short.
    for part in Package.swift Sources Tests parsers; do
        rm -rf "${copy:?}/$part.new"
        cp -a "$part" "$copy/$part.new"
        rm -rf "${copy:?}/$part"
        mv "$copy/$part.new" "$copy/$part"
    done
    patch --directory "$copy" --strip 1 --fuzz 2 --no-backup-if-mismatch --quiet <"$patch" \
        || { echo "sabotage: $name.patch no longer fits the code; make it anew" >&2; exit 1; }
    swift build --package-path "$copy" --scratch-path "$scratch" -c release \
        --static-swift-stdlib --product sealtail 2>&1 | tail -n 3
    output=$scratch/$name.txt
    if SEALTAIL=$scratch/release/sealtail "$python" -B -m pytest -p no:cacheprovider -s -q \
        Tests/EndToEnd/test_kill.py >"$output" 2>&1; then
        echo "UNNOTICED: the kill test passed with this bug"
        unnoticed=$((unnoticed + 1))
    elif grep -Eq "^E .*($expected)" "$output"; then
        echo "noticed: $(grep -Em 1 "^E .*($expected)" "$output")"
    else
        echo "FAILED FOR ANOTHER REASON, expected /$expected/:"
        grep -E '^E ' "$output" | head -n 5 || tail -n 20 "$output"
        unnoticed=$((unnoticed + 1))
    fi
done
printf '\n%d sabotaged builds, %d not noticed\n' "${#names[@]}" "$unnoticed"
[ "$unnoticed" -eq 0 ]
