# SPDX-License-Identifier: Apache-2.0
"""The technology add-on for Splunk: canonical events as the Common Information Model names them.

Splunk applies aliases first, then all EVAL at once, then lookups in order, then event types and
tags. So whatever depends on the action alone stands in a lookup, the rest in EVAL, and what both
may give is filled by the lookup where EVAL left it empty (OUTPUTNEW).
"""

import csv
import io

import tables

FOLDER = "packaging/splunk/TA-sealtail"
SOURCETYPE = "sealtail:oauth"
SPDX = "# SPDX-License-Identifier: Apache-2.0\n"

# What an action changes, and which of its attributes, where the event itself does not say.
# A category in brackets gives way to `target.type`.
OBJECTS = {
    "ConsentGranted": ("consent", "scope"),
    "ConsentDenied": ("consent", "scope"),
    "ConsentRevoked": ("consent", "scope"),
    "TokenRevoked": ("token", "active"),
    "TokenRevocationFailed": ("token", "active"),
    "SessionRevoked": ("session", "active"),
    "IdentityLinked": ("user", "identity"),
    "IdentityUnlinked": ("user", "identity"),
    "UserCreated": ("user", "account"),
    "UserUpdated": ("user", "profile"),
    "UserDeleted": ("user", "account"),
    "UserEnabled": ("user", "enabled"),
    "UserDisabled": ("user", "enabled"),
    "UserLocked": ("user", "locked"),
    "UserUnlocked": ("user", "locked"),
    "PasswordChanged": ("user", "password"),
    "PasswordResetRequested": ("user", "password"),
    "PasswordReset": ("user", "password"),
    # Not «user»: a created credential is no created account.
    "CredentialAdded": ("credential", "credential"),
    "CredentialRemoved": ("credential", "credential"),
    "RoleGranted": ("[role]", "role"),
    "RoleRevoked": ("[role]", "role"),
    "GroupMemberAdded": ("[group]", "member"),
    "GroupMemberRemoved": ("[group]", "member"),
    "ClientRegistered": ("client", "client"),
    "ClientUpdated": ("client", "metadata"),
    "ClientScopeChanged": ("client", "scope"),
    "ClientCredentialChanged": ("client", "credential"),
    "ClientEnabled": ("client", "enabled"),
    "ClientDisabled": ("client", "enabled"),
    "ClientDeleted": ("client", "client"),
    "SigningKeyRotated": ("key", "key"),
    "ConfigurationChanged": ("[configuration]", "configuration"),
    "AdminActionFailed": ("[configuration]", "configuration"),
}

# The time is cut from nowhere but the member `time` of the event itself: the last one of
# this name on the line, because behind it come `token` and `integrity` only.
PARSING = {
    "SHOULD_LINEMERGE": "false",
    "LINE_BREAKER": r"([\r\n]+)",
    "EVENT_BREAKER_ENABLE": "true",
    "EVENT_BREAKER": r"([\r\n]+)",
    # A body has at most 60 KiB; a proof stands beside it.
    "TRUNCATE": "131072",
    "CHARSET": "UTF-8",
    "TIME_PREFIX": '^.+"time":"',
    "TIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%6N%Z",
    "MAX_TIMESTAMP_LOOKAHEAD": "27",
    "KV_MODE": "json",
}

ALERTS = {"RiskDetected": "Alerts"}

# Where EVAL needs the event's own word behind a name that CIM uses for another.
ALIASES = {"action": "oauth_action", "outcome": "oauth_outcome", "id": "event_id"}

ACTOR = "'actor.name', 'actor.email', 'actor.id'"
TARGET = "'target.name', 'target.email', 'target.id'"
CLIENT = "'client.name', 'client.id'"
# The account that something was done to is the user; who did it is src_user.
DONE_TO_USER = (
    "(match(oauth_action, \"^(User|Password|Identity)\") OR ('target.type'==\"user\" AND "
    "match(oauth_action, \"^(Role|Group|Configuration|AdminAction)\")))")

EVALS = {
    "app": "coalesce('client.id', 'client.name', 'provider.product')",
    "authentication_method":
        "coalesce(mvjoin('auth.methods{}', \",\"), 'grant.type', 'client.auth')",
    "authentication_service": "'provider.product'",
    "command": "oauth_action",
    "description": "coalesce('error.reason', 'provider.event', oauth_action)",
    "dest": "coalesce('provider.host', 'provider.issuer', 'provider.tenant', 'provider.product')",
    "dvc": "coalesce('provider.host', 'provider.issuer', 'provider.tenant', 'provider.product')",
    "object": f"coalesce({TARGET}, {CLIENT}, 'token.type', {ACTOR}, 'session.id', "
              "'provider.tenant', 'provider.product')",
    "object_attrs":
        "coalesce('change.fields{}', mvappend('change.added{}', 'change.removed{}'), "
        "'change.kind', 'scope.granted{}', 'scope.requested{}')",
    "object_category":
        "if(match(oauth_action, \"^(Role|Group|Configuration|AdminAction)\"), 'target.type', "
        "null())",
    "object_id": f"coalesce('target.id', 'target.name', 'token.id', 'grant.id', 'session.id', "
                 f"'client.id', 'client.name', 'actor.id', {ACTOR}, 'provider.tenant', "
                 "'provider.product')",
    "reason_id": "'error.code'",
    "session_id": "'session.id'",
    "user_agent": "'source.user_agent'",
    "vendor_account": "'provider.tenant'",
    "reason": "coalesce('error.reason', 'error.code')",
    "result": "case(oauth_action==\"UserLocked\", \"lockout\", oauth_outcome!=\"success\", "
              "coalesce('error.reason', 'error.code', oauth_outcome))",
    "severity": "if(severity==\"info\", \"informational\", severity)",
    "signature": "oauth_action",
    "signature_id": "coalesce('provider.event', oauth_action)",
    "src": "coalesce('source.ip', 'source.device_id', \"unknown\")",
    "src_user": f"if({DONE_TO_USER}, coalesce({ACTOR}, 'actor.type', \"unknown\"), null())",
    "src_user_type": f"if({DONE_TO_USER}, 'actor.type', null())",
    "status": "if(oauth_outcome==\"success\", \"success\", \"failure\")",
    "type": "if(oauth_action==\"RiskDetected\", \"alert\", \"event\")",
    "user": f"if({DONE_TO_USER}, coalesce({TARGET}, {ACTOR}, \"unknown\"), "
            f"coalesce({ACTOR}, {CLIENT}, \"unknown\"))",
    "user_id": f"if({DONE_TO_USER}, coalesce('target.id', 'actor.id'), 'actor.id')",
    "user_type": f"if({DONE_TO_USER}, null(), 'actor.type')",
    "vendor_product": "'provider.vendor'.\" \".'provider.product'",
}

LOOKUPS = {
    "action": "sealtail_actions oauth_action OUTPUT cim_action AS action, cim_model, change_type",
    "object": "sealtail_actions oauth_action OUTPUTNEW object_category, object_attrs",
}

COLUMNS = ["oauth_action", "cim_model", "cim_action", "change_type", "object_category",
           "object_attrs"]

SEARCH = f"sourcetype={SOURCETYPE}"
EVENT_TYPES = {
    "sealtail": (SEARCH, []),
    "sealtail_authentication": (f"{SEARCH} cim_model=Authentication", ["authentication"]),
    "sealtail_impersonation": (f"{SEARCH} oauth_action=UserImpersonated", ["privileged"]),
    "sealtail_change": (f"{SEARCH} cim_model=Change", ["change"]),
    "sealtail_account": (f"{SEARCH} cim_model=Change object_category=user", ["account"]),
    "sealtail_alert": (f"{SEARCH} cim_model=Alerts", ["alert"]),
}


def lookup():
    """What depends on the action alone, one row each."""
    rows = []
    for action in tables.actions():
        # Alerts is no model that the tables know of; it has no field `action` either.
        model = action.cim_model or ALERTS.get(action.name, "")
        verb = action.cim_action or action.name
        category, attributes = OBJECTS.get(action.name, ("", ""))
        change = "AAA" if model == "Change" else ""
        rows.append([action.name, model, verb, change, category.strip("[]"), attributes])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS] + rows)
    return text.getvalue()


def stanza(name, lines):
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines)


def app():
    return SPDX + "\n".join([
        stanza("install", [("state", "enabled"), ("is_configured", "false"), ("build", "1")]),
        stanza("package", [("id", "TA-sealtail"), ("check_for_updates", "false")]),
        stanza("id", [("name", "TA-sealtail"), ("version", tables.version())]),
        stanza("ui", [("is_visible", "false"), ("label", "Sealtail Add-on")]),
        stanza("launcher", [
            ("author", "Sealtail"), ("version", tables.version()),
            ("description", "OAuth and OIDC audit events of Sealtail in the Common Information "
                            "Model"),
        ]),
    ])


def props():
    lines = list(PARSING.items())
    lines += [(f"FIELDALIAS-{new}", f"{old} AS {new}") for old, new in ALIASES.items()]
    lines += [(f"EVAL-{name}", text) for name, text in sorted(EVALS.items())]
    lines += [(f"LOOKUP-{name}", text) for name, text in LOOKUPS.items()]
    return SPDX + stanza(SOURCETYPE, lines)


def files():
    """The add-on by the path of its files."""
    types = [stanza(name, [("search", search)]) for name, (search, _) in EVENT_TYPES.items()]
    tags = [
        stanza(f"eventtype={name}", [(word, "enabled") for word in words])
        for name, (_, words) in EVENT_TYPES.items() if words
    ]
    found = {
        "default/app.conf": app(),
        "default/props.conf": props(),
        "default/transforms.conf": SPDX + stanza("sealtail_actions", [
            ("filename", "sealtail_actions.csv"), ("case_sensitive_match", "true")]),
        "default/eventtypes.conf": SPDX + "\n".join(types),
        "default/tags.conf": SPDX + "\n".join(tags),
        "metadata/default.meta": SPDX + stanza("", [
            ("access", "read : [ * ], write : [ admin, sc_admin ]"), ("export", "system")]),
        "lookups/sealtail_actions.csv": lookup(),
    }
    return {f"{FOLDER}/{path}": text for path, text in found.items()}
