# SPDX-License-Identifier: Apache-2.0
"""A dashboard for Kibana as saved objects: a data view, nine panels, and the sheet they stand on.

In the form that Kibana 8.9 wrote; later versions migrate it when they import it.
"""

import json

import elasticsearch

VIEW = "sealtail-oauth-audit"
LAYER = "events"
WIDTH = 48

LOGINS = "event.action: (LoginSucceeded or LoginFailed)"
FAILURES = "event.outcome: failure"
TOKENS = "event.action: (AccessTokenIssued or TokenRefreshed or TokenExchanged)"
# The same words as packaging/sigma/consent_to_risky_scope.yml has.
RISKY = (
    "event.action: ConsentGranted and oauth.scope.granted: (offline_access or full_access* or "
    "*admin* or *Admin* or *.ReadWrite* or *write* or Mail.* or Files.* or *impersonation*)")
HEALTH = "event.action: (AgentStarted or AgentStopped or AgentEventsLost or CheckpointSigned)"

COUNT = {
    "label": "Events", "dataType": "number", "operationType": "count", "isBucketed": False,
    "scale": "ratio", "sourceField": "___records___", "params": {"emptyAsNull": False},
}
TIME = {
    "label": "Time", "dataType": "date", "operationType": "date_histogram", "isBucketed": True,
    "scale": "interval", "sourceField": "@timestamp",
    "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
}


def terms(field, label, size=10):
    kind = elasticsearch.flat()[field]["type"]
    return {
        "label": label, "customLabel": True,
        "dataType": {"ip": "ip", "long": "number"}.get(kind, "string"),
        "operationType": "terms", "isBucketed": True, "scale": "ordinal", "sourceField": field,
        "params": {
            "size": size, "orderBy": {"type": "column", "columnId": "count"},
            "orderDirection": "desc", "otherBucket": True, "missingBucket": False,
            "parentFormat": {"id": "terms"},
        },
    }


def newest(field, label):
    return {
        "label": label, "customLabel": True, "dataType": "date", "operationType": "last_value",
        "isBucketed": False, "scale": "ratio", "sourceField": field,
        "params": {"sortField": field, "showArrayValues": False},
    }


def saved(kind, name, version, attributes, references):
    return {
        "attributes": attributes, "coreMigrationVersion": "8.8.0", "id": name, "managed": False,
        "references": references, "type": kind, "typeMigrationVersion": version,
    }


def lens(name, title, query, shape, columns, visualization):
    state = {
        "datasourceStates": {"formBased": {"layers": {LAYER: {
            "columns": columns, "columnOrder": list(columns), "incompleteColumns": {},
            "sampling": 1, "ignoreGlobalFilters": False}}}},
        "visualization": visualization, "query": {"query": query, "language": "kuery"},
        "filters": [], "internalReferences": [], "adHocDataViews": {},
    }
    attributes = {
        "title": f"[Sealtail] {title}", "description": "", "visualizationType": shape,
        "state": state,
    }
    reference = {
        "id": VIEW, "name": f"indexpattern-datasource-layer-{LAYER}", "type": "index-pattern"}
    return saved("lens", f"sealtail-{name}", "8.9.0", attributes, [reference])


def bars(name, title, query, split):
    layer = {
        "layerId": LAYER, "layerType": "data", "seriesType": "bar_stacked",
        "xAccessor": "time", "splitAccessor": "split", "accessors": ["count"],
    }
    visualization = {
        "preferredSeriesType": "bar_stacked", "valueLabels": "hide", "layers": [layer],
        "legend": {"isVisible": True, "position": "right"},
    }
    columns = {"split": split, "time": TIME, "count": COUNT}
    return lens(name, title, query, "lnsXY", columns, visualization)


def table(name, title, query, **columns):
    columns["count"] = COUNT
    visualization = {
        "layerId": LAYER, "layerType": "data",
        "columns": [{"columnId": column} for column in columns],
    }
    return lens(name, title, query, "lnsDatatable", columns, visualization)


def metric(name, title, query):
    visualization = {"layerId": LAYER, "layerType": "data", "metricAccessor": "count"}
    return lens(name, title, query, "lnsMetric", {"count": COUNT}, visualization)


def panels():
    """Each panel with its width and height; they fill the rows from the left."""
    user, client = terms("user.name", "User"), terms("service.id", "Client")
    address = terms("source.ip", "Address")
    return [
        (bars("logins", "Logins", LOGINS, terms("event.action", "Action")), 32, 12),
        (table("severe", "High severity", "event.severity >= 4",
               action=terms("event.action", "Action", 20)), 16, 12),
        (table("failures-client", "Failures by client", FAILURES, client=client,
               code=terms("error.code", "Error")), 24, 12),
        (table("failures-address", "Failures by address", FAILURES, address=address,
               user=user), 24, 12),
        (bars("grants", "Tokens by grant type", TOKENS,
              terms("oauth.grant.type", "Grant type")), 24, 12),
        (table("consent", "Consent to risky scopes", RISKY, user=user, client=client,
               scope=terms("oauth.scope.granted", "Scope")), 24, 12),
        (bars("health", "Events of the agents themselves", HEALTH,
              terms("event.action", "Action")), 24, 12),
        (table("agents", "Agents by newest checkpoint", "event.action: CheckpointSigned",
               agent=terms("observer.hostname", "Host", 100),
               newest=newest("@timestamp", "Newest checkpoint")), 16, 12),
        (metric("lost", "Losses stated", "event.action: AgentEventsLost"), 8, 12),
    ]


def dashboard(sheet):
    places, references, x, y, height = [], [], 0, 0, 0
    for panel, width, tall in sheet:
        if x + width > WIDTH:
            x, y, height = 0, y + height, 0
        index = panel["id"].removeprefix("sealtail-")
        places.append({
            "type": "lens", "panelIndex": index, "panelRefName": f"panel_{index}",
            "gridData": {"x": x, "y": y, "w": width, "h": tall, "i": index},
            "embeddableConfig": {"enhancements": {}},
        })
        references.append({
            "id": panel["id"], "name": f"{index}:panel_{index}", "type": "lens"})
        x, height = x + width, max(height, tall)
    attributes = {
        "title": "[Sealtail] OAuth and OIDC audit", "version": 1,
        "description": "Logins, failures, tokens, consent, and whether the agents are well.",
        "panelsJSON": json.dumps(places),
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(
            {"query": {"query": "", "language": "kuery"}, "filter": []})},
        "timeRestore": True, "timeFrom": "now-24h", "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60000},
    }
    return saved("dashboard", "sealtail-overview", "8.9.0", attributes, references)


def files():
    """The saved objects, what others refer to first."""
    view = saved("index-pattern", VIEW, "8.0.0", {
        "title": elasticsearch.PATTERN, "name": "Sealtail: OAuth and OIDC audit",
        "timeFieldName": "@timestamp"}, [])
    sheet = panels()
    objects = [view] + [panel for panel, _, _ in sheet] + [dashboard(sheet)]
    lines = [json.dumps(one, sort_keys=True, separators=(",", ":")) for one in objects]
    return {"packaging/elasticsearch/kibana.ndjson": "".join(line + "\n" for line in lines)}
