#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: Tests/EndToEnd/sabotage/run.sh [NAME…]
#
# Builds the agent with a bug that it must never have, once for each *.patch here, and shows that
# the test that guards against it fails, and for that reason. A patch with a line `Filter:` is for
# the Swift tests of that name; every other one is for the oracle, test_kill.py, in its short form.
# The tree itself is not touched: all of it happens in a copy under .build/sabotage. A sabotage that
# its test does not notice fails this script.
set -euo pipefail
cd "$(dirname "$0")/../../.."

here=Tests/EndToEnd/sabotage
copy=$PWD/.build/sabotage/tree
scratch=$PWD/.build/sabotage/build
python=${SEALTAIL_TEST_PYTHON:-$PWD/.build/venv/bin/python}
oracle=test_kill.py::test_kill_nine_at_any_moment_loses_and_forks_nothing
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$here"/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

# A copy of what is needed, with one patch. Files that did not change keep their times, so each
# build after the first is short.
prepare() {
    local part
    mkdir -p "$copy"
    for part in Package.swift Sources Tests parsers docs agent.yaml packaging; do
        [ -e "$part" ] || continue
        rm -rf "${copy:?}/$part.new"
        cp -a "$part" "$copy/$part.new"
        rm -rf "${copy:?}/$part"
        mv "$copy/$part.new" "$copy/$part"
    done
    patch --directory "$copy" --strip 1 --fuzz 2 --no-backup-if-mismatch --quiet <"$1" \
        || { echo "sabotage: $1 no longer fits the code; make it anew" >&2; exit 1; }
}

run_swift_tests() {
    swift build --package-path "$copy" --scratch-path "$scratch" --build-tests 2>&1 | tail -n 3 >&2
    swift test --package-path "$copy" --scratch-path "$scratch" --skip-build --filter "$1"
}

run_oracle() {
    swift build --package-path "$copy" --scratch-path "$scratch" -c release \
        --static-swift-stdlib --product sealtail 2>&1 | tail -n 3 >&2
    SEALTAIL=$scratch/release/sealtail "$python" -B -m pytest -p no:cacheprovider -s -q \
        "Tests/EndToEnd/$oracle"
}

unnoticed=0
for name in "${names[@]}"; do
    patch=$PWD/$here/$name.patch
    expected=$(sed -n 's/^Expected: //p' "$patch")
    filter=$(sed -n 's/^Filter: //p' "$patch")
    printf '\n== %s: %s\n' "$name" "$(sed -n 's/^Subject: //p' "$patch")"
    prepare "$patch"
    mkdir -p "$scratch"
    output=$scratch/$name.txt
    if [ -n "$filter" ]; then run=(run_swift_tests "$filter"); else run=(run_oracle); fi
    if "${run[@]}" >"$output"; then
        echo "UNNOTICED: the tests passed with this bug"
        unnoticed=$((unnoticed + 1))
    elif grep -Eq "$expected" "$output"; then
        echo "noticed: $(grep -Em 1 "$expected" "$output" | cut -c 1-300)"
    else
        echo "FAILED FOR ANOTHER REASON, expected /$expected/:"
        grep -E '^E |error:|recorded an issue' "$output" | head -n 5 || tail -n 20 "$output"
        unnoticed=$((unnoticed + 1))
    fi
done
printf '\n%d sabotaged builds, %d not noticed\n' "${#names[@]}" "$unnoticed"
[ "$unnoticed" -eq 0 ]
