#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: scripts/demo.sh [SEALTAIL]
#
# A provider writes its log, the agent seals it, a verifier checks it, a forger is caught. All of
# it in a folder of its own that is gone afterwards; nothing is left running.
set -euo pipefail
cd "$(dirname "$0")/.."

sealtail=$(realpath "${1:-.build/release/sealtail}")
parsers=$PWD/parsers
folder=$(mktemp -d)
agent_pid='' writer_pid=''
events=24               # how many lines the provider writes
patience=200            # tenths of a second to wait for anything

# Ends only what this script started, by its process id.
cleanup() {
    for pid in $writer_pid $agent_pid; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    rm -rf "$folder"
} 2>/dev/null
trap cleanup EXIT
trap 'exit 130' INT TERM

bold='' dim='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\033[1m' dim=$'\033[2m' red=$'\033[31m' green=$'\033[32m' plain=$'\033[0m'
fi

step() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '  %s\n' "$1"; }
fail() {
    printf 'demo: %s\n' "$1" >&2
    [ ! -s "$folder/agent.log" ] || tail -n 20 "$folder/agent.log" >&2
    exit 1
}
show() { printf '%s$ %s%s\n' "$dim" "$1" "$plain"; }
pretty() {
    if python3 -c '' 2>/dev/null; then python3 -m json.tool --no-ensure-ascii; else cat; fi
}

await() {
    local what=$1 tenths=0
    shift
    until "$@"; do
        [ $((tenths += 1)) -le $patience ] || fail "$what did not come in $((patience / 10)) s"
        [ -z "$agent_pid" ] || kill -0 "$agent_pid" 2>/dev/null || fail "the agent ended early"
        sleep 0.1
    done
}
delivered() { [ "$(grep -c '"product":"keycloak"' "$folder/events.ndjson" 2>/dev/null)" -ge "$1" ]; }
opened() { grep -q AgentStarted "$folder/events.ndjson" 2>/dev/null; }

# One line as Keycloak writes it; the quotes of the message are escaped in the JSON.
write_line() {
    local number=$1 level=DEBUG type details session
    session=$(printf '5b1d7c1e-0000-4000-8000-%012d' $((number / 4)))
    case $((number % 4)) in
        0) type=LOGIN details="auth_method=\\\"openid-connect\\\", redirect_uri=\\\"https://shop.example.com/return\\\", code_id=\\\"$session\\\", username=\\\"noor\\\"" ;;
        1) type=CODE_TO_TOKEN details="token_id=\\\"onrtac:token-$number\\\", grant_type=\\\"authorization_code\\\", scope=\\\"openid email\\\", code_id=\\\"$session\\\", client_auth_method=\\\"client-secret\\\"" ;;
        2) type=REFRESH_TOKEN details="token_id=\\\"onrtrt:token-$number\\\", grant_type=\\\"refresh_token\\\", scope=\\\"openid email\\\", refresh_token_id=\\\"refresh-$number\\\", client_auth_method=\\\"client-secret\\\"" ;;
        3) type=LOGIN_ERROR level=WARN details="error=\\\"invalid_user_credentials\\\", auth_method=\\\"openid-connect\\\", username=\\\"mallory\\\"" ;;
    esac
    printf '{"timestamp":"%sZ","sequence":%d,"loggerClassName":"org.jboss.logging.Logger","loggerName":"org.keycloak.events","level":"%s","message":"type=\\"%s\\", realmId=\\"r1\\", realmName=\\"retail\\", clientId=\\"storefront\\", userId=\\"u-%d\\", sessionId=\\"%s\\", ipAddress=\\"203.0.113.%d\\", %s","threadName":"executor-thread-1","threadId":41,"mdc":{},"ndc":"","hostName":"sso-0.example.com","processName":"java","processId":1}\n' \
        "$(date -u +%Y-%m-%dT%H:%M:%S.%N)" "$number" "$level" "$type" $((number % 4)) "$session" \
        $((number % 250 + 1)) "$details"
}

[ -x "$sealtail" ] || fail "there is no $sealtail; run make build"

step "1. A signing key, and a configuration of one input and one sink"
show "sealtail keygen --name idp1.example.com --out keys"
# Nobody here reads half of a pipe: the other end would die of SIGPIPE, now and then.
"$sealtail" keygen --name idp1.example.com --out "$folder/keys" >"$folder/keygen.out"
vkey=$(grep -m 1 -Eo '[^[:space:]]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}' "$folder/keygen.out")
key_file=$(grep -rl PRIVATE+KEY "$folder/keys")
[ -n "$vkey" ] && [ -n "$key_file" ] || fail "keygen made no key"
say "verifier key: $vkey"
cat >"$folder/agent.yaml" <<YAML
agent:
  name: idp1.example.com
  state_dir: $folder/state
  listen: none
  parsers_dir: $parsers
inputs:
  - id: keycloak
    type: file
    paths: [$folder/keycloak.log]
    parser: keycloak
signing:
  key: \${file:$key_file}
sinks:
  - id: archive
    type: file
    path: $folder/events.ndjson
    format: canonical
YAML
"$sealtail" check --offline --config "$folder/agent.yaml" >"$folder/check.out" 2>&1 \
    || { cat "$folder/check.out" >&2; fail "the configuration has a mistake"; }

step "2. The agent follows the log while the provider writes it"
: >"$folder/keycloak.log"
show "sealtail run --config agent.yaml"
"$sealtail" run --config "$folder/agent.yaml" >"$folder/agent.log" 2>&1 &
agent_pid=$!
await "the agent's first event" opened
(for ((number = 0; number < events; number++)); do
    write_line "$number" >>"$folder/keycloak.log"
    sleep 0.05
done) &
writer_pid=$!
for part in $((events / 3)) $((events * 2 / 3)) $events; do
    await "event $part of $events" delivered "$part"
    say "$part of $events lines became sealed events"
done
wait "$writer_pid"
writer_pid=''

step "3. One line went in …"
sed -n 2p "$folder/keycloak.log"
step "… and this came out"
grep -m 1 '"grant":.*"authorization_code"' "$folder/events.ndjson" | pretty

step "4. The agent stops in order, and what it delivered verifies"
kill -TERM "$agent_pid"
stopped=0
wait "$agent_pid" || stopped=$?
agent_pid=''
[ "$stopped" -eq 0 ] || fail "the agent ended with $stopped"
show "sealtail verify --vkey idp1.example.com+… events.ndjson"
"$sealtail" verify --vkey "$vkey" "$folder/events.ndjson" \
    || fail "what the agent delivered does not verify"
say "${green}verified${plain}"

step "5. Somebody edits one byte in a copy: mallory becomes nallory"
target=$(grep -n -m 1 '"name":"mallory"' "$folder/events.ndjson" | cut -d: -f1)
[ -n "$target" ] || fail "there is no failed login of mallory among the events"
sed "${target}s/\"name\":\"mallory\"/\"name\":\"nallory\"/" "$folder/events.ndjson" \
    >"$folder/tampered.ndjson"
changed=$(cmp -l "$folder/events.ndjson" "$folder/tampered.ndjson" | wc -l || true)
[ "$changed" -eq 1 ] || fail "the copy differs in $changed bytes, not in one"
show "sealtail verify --vkey idp1.example.com+… tampered.ndjson"
verdict=0
"$sealtail" verify --vkey "$vkey" "$folder/tampered.ndjson" || verdict=$?
[ "$verdict" -eq 65 ] || fail "verify ended with $verdict, not with 65"
say "${red}caught${plain}: exit code $verdict, and the event is named above"
printf '\n%sThat is all. Nothing is left running; %s is gone.%s\n' "$dim" "$folder" "$plain"
