#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes log lines as Keycloak does with JSON console output and event logging on.

usage: keycloak_log.py [--lines 300000] [--seed 1] [--first 0] FILE|-

The same seed gives the same bytes. Every line is another one: `sequence` counts up from --first.
Names, hosts and addresses are invented; addresses come from the ranges kept for documentation.
"""

import argparse
import json
import random
import sys
from datetime import datetime, timedelta, timezone

START = datetime(2026, 3, 2, 6, 30, tzinfo=timezone.utc)
CHUNK_LINES = 4096

# One row a kind of event: how often it comes in a hundred thousand, the type's word, whether it
# is an error, and which details the listener writes for it, in its order.
KINDS = [
    (17500, "LOGIN", False, "login"),
    (17500, "CODE_TO_TOKEN", False, "code"),
    (29000, "REFRESH_TOKEN", False, "refresh"),
    (9000, "CLIENT_LOGIN", False, "client"),
    (8500, "LOGIN_ERROR", True, "login_error"),
    (7000, "LOGOUT", False, "logout"),
    (3500, "INTROSPECT_TOKEN", False, "introspect"),
    (2500, "REFRESH_TOKEN_ERROR", True, "refresh_error"),
    (1500, "CODE_TO_TOKEN_ERROR", True, "code_error"),
    (800, "UPDATE_CREDENTIAL", False, "credential"),
    (700, "REGISTER", False, "register"),
    (500, "GRANT_CONSENT", False, "consent"),
    (2000, "ADMIN", False, "admin"),
]
GIVEN = ["noor", "pavel", "sanne", "tomás", "ulrike", "viggo", "wren", "ximena", "yusuf", "zofia"]
FAMILY = ["lindqvist", "marek", "nakamura", "oyelaran", "petit", "quispe", "rahimi", "sørensen"]
CLIENTS = ["storefront", "field-app", "ledger-ui", "reports", "partner-gateway", "batch-runner"]
REALMS = ["retail", "workforce", "suppliers"]
LOGIN_ERRORS = ["invalid_user_credentials", "user_not_found", "user_disabled", "expired_code"]
TOKEN_ERRORS = ["invalid_token", "invalid_code", "expired_code"]
# User names that a careless reader takes for fields of its own.
HOSTILE = ['root" realmName="master', "a, type=LOGIN, userId=0", 'quote " inside', "k=v, k=v"]


class KeycloakLog:
    """An endless log. Only the seed and the first number decide what it says."""

    def __init__(self, seed=1, first=0):
        self.random = random.Random(seed)
        self.number = first
        self.microseconds = 0
        self.realms = [(name, self.uuid()) for name in REALMS]
        self.users = [(self.uuid(), self.user_name(index)) for index in range(4000)]
        self.addresses = (
            [f"198.51.100.{host}" for host in range(1, 255)]
            + [f"203.0.113.{host}" for host in range(1, 255)]
            + [f"2001:db8:{self.random.getrandbits(16):x}::{host:x}" for host in range(1, 400)])
        self.kinds = [kind for kind in KINDS for _ in range(kind[0] // 100)]

    def uuid(self):
        digits = f"{self.random.getrandbits(128):032x}"
        return (f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-b{digits[17:20]}-{digits[20:]}")

    def user_name(self, index):
        return f"{self.random.choice(GIVEN)}.{self.random.choice(FAMILY)}.{index}@example.org"

    def details(self, kind, user, client, session):
        """The pairs behind the common ones, as the event listener orders them."""
        pick, redirect = self.random, f"https://{client}.example.org/oidc/return"
        if kind == "login":
            return [
                ("auth_method", "openid-connect"), ("auth_type", "code"),
                ("response_type", "code"), ("redirect_uri", redirect),
                ("consent", "no_consent_required"), ("code_id", session), ("username", user),
                ("response_mode", "query"), ("authSessionParentId", session),
                ("authSessionTabId", f"{pick.getrandbits(48):012x}")]
        if kind == "login_error":
            name = pick.choice(HOSTILE) if pick.random() < 0.006 else user
            return [
                ("error", pick.choice(LOGIN_ERRORS)), ("auth_method", "openid-connect"),
                ("auth_type", "code"), ("redirect_uri", redirect), ("code_id", session),
                ("username", name), ("authSessionParentId", session),
                ("authSessionTabId", f"{pick.getrandbits(48):012x}")]
        if kind == "code":
            return [
                ("token_id", "onrtac:" + self.uuid()), ("grant_type", "authorization_code"),
                ("refresh_token_type", "Refresh"), ("scope", "openid profile email"),
                ("refresh_token_id", self.uuid()), ("code_id", session),
                ("client_auth_method", "client-secret")]
        if kind == "refresh":
            return [
                ("token_id", "onrtrt:" + self.uuid()), ("grant_type", "refresh_token"),
                ("refresh_token_type", "Refresh"), ("access_token_expiration_time", "300"),
                ("updated_refresh_token_id", self.uuid()), ("scope", "openid profile email"),
                ("age_of_refresh_token", str(pick.randrange(3000))),
                ("refresh_token_id", self.uuid()), ("client_auth_method", "client-secret")]
        if kind == "client":
            return [
                ("token_id", "trrtcc:" + self.uuid()), ("grant_type", "client_credentials"),
                ("scope", "profile email"), ("client_auth_method", "client-secret"),
                ("username", "service-account-" + client)]
        if kind in ("refresh_error", "code_error"):
            grant = "refresh_token" if kind == "refresh_error" else "authorization_code"
            return [
                ("error", pick.choice(TOKEN_ERRORS)), ("grant_type", grant),
                ("client_auth_method", "client-secret"), ("reason", "Session not active")]
        return {
            "logout": [("redirect_uri", redirect), ("username", user)],
            "introspect": [("token_id", self.uuid()), ("client_auth_method", "client-secret")],
            "credential": [("credential_type", "otp"), ("username", user)],
            "register": [("auth_method", "openid-connect"), ("register_method", "form"),
                         ("email", user), ("username", user)],
            "consent": [("consent", "consent_granted"), ("scope", "openid profile email"),
                        ("code_id", session), ("username", user)],
        }[kind]

    def message(self, kind, word, is_error, user_id, user, session):
        """The text of one event: key="value" pairs, quotes in values escaped by a backslash."""
        pick = self.random
        realm, realm_id = pick.choice(self.realms)
        client = pick.choice(CLIENTS)
        if kind == "admin":
            pairs = [
                ("operationType", pick.choice(["CREATE", "UPDATE", "DELETE", "ACTION"])),
                ("realmId", realm_id), ("realmName", realm),
                ("clientId", "security-admin-console"), ("userId", user_id),
                ("ipAddress", pick.choice(self.addresses)),
                ("resourceType", pick.choice(["USER", "GROUP", "REALM_ROLE_MAPPING"])),
                ("resourcePath", f"users/{self.uuid()}/role-mappings/realm")]
        else:
            pairs = [("type", word), ("realmId", realm_id), ("realmName", realm),
                     ("clientId", client), ("userId", user_id)]
            if not is_error and kind not in ("client", "register"):
                pairs.append(("sessionId", session))
            pairs.append(("ipAddress", pick.choice(self.addresses)))
            pairs += self.details(kind, user, client, session)
        return ", ".join('%s="%s"' % (key, value.replace('"', '\\"')) for key, value in pairs)

    def line(self):
        """The next line, without its newline."""
        pick = self.random
        _, word, is_error, kind = pick.choice(self.kinds)
        user_id, user = pick.choice(self.users)
        message = self.message(kind, word, is_error, user_id, user, self.uuid())
        self.microseconds += pick.randrange(1, 6000)
        moment = START + timedelta(microseconds=self.microseconds)
        line = (
            '{"timestamp":"%s%03dZ","sequence":%d,'
            '"loggerClassName":"org.jboss.logging.Logger","loggerName":"org.keycloak.events",'
            '"level":"%s","message":%s,"threadName":"executor-thread-%d","threadId":%d,'
            '"mdc":{},"ndc":"","hostName":"sso-%d.example.org",'
            '"processName":"/usr/lib/jvm/java-21-openjdk/bin/java","processId":1}'
            % (moment.strftime("%Y-%m-%dT%H:%M:%S.%f"), pick.randrange(1000), self.number,
               "WARN" if is_error else "DEBUG", json.dumps(message, ensure_ascii=False),
               pick.randrange(64), 30 + pick.randrange(64), pick.randrange(2)))
        self.number += 1
        return line.encode()

    def chunk(self, lines):
        """So many lines, each with its newline."""
        return b"".join(self.line() + b"\n" for _ in range(lines))


def main():
    """Writes the file, or to standard output."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--lines", type=int, default=300_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("file")
    chosen = options.parse_args()
    log = KeycloakLog(chosen.seed, chosen.first)
    output = sys.stdout.buffer if chosen.file == "-" else open(chosen.file, "wb")
    left = chosen.lines
    while left > 0:
        output.write(log.chunk(min(left, CHUNK_LINES)))
        left -= CHUNK_LINES
    output.flush()


if __name__ == "__main__":
    main()
