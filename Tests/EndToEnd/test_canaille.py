# SPDX-License-Identifier: Apache-2.0
"""A real OpenID provider, a real login: the events tell the story and no secret leaks."""

import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
import requests

import independent_verify
from agent import ROOT, file_input, file_sink, free_port, is_agent_event, read_events, run
from canaille_provider import Browser, Canaille, Client

USER, PASSWORD = "alice", "correct horse battery staple"
CLIENT, SECRET = "shop", "shop-client-secret-0123456789"
REDIRECT = "https://app.example.com/oidc/return"

# (action, what else the event must say) in the order in which they must come.
STORY = [
    ("LoginFailed", {"actor.name": USER, "outcome": "failure",
                     "error.code": "invalid_user_credentials"}),
    ("LoginSucceeded", {"actor.name": USER, "outcome": "success"}),
    ("ConsentGranted", {"actor.name": USER, "client": CLIENT}),
    ("AuthorizationCodeIssued", {"outcome": "success"}),
    ("AccessTokenIssued", {"actor.name": USER, "client": CLIENT,
                           "grant.type": "authorization_code"}),
    ("TokenRequestFailed", {"error.code": "invalid_grant", "outcome": "failure"}),
    ("TokenRefreshed", {"actor.name": USER, "client": CLIENT}),
    ("TokenRequestFailed", {"error.code": "invalid_grant"}),
    ("ClientAuthenticationFailed TokenRequestFailed", {"error.code": "invalid_client"}),
    ("AccessTokenIssued", {"client": CLIENT, "grant.type": "client_credentials"}),
    ("TokenRevoked", {"outcome": "success"}),
    ("LoginSucceeded", {"actor.name": USER}),
    ("LoggedOut", {"actor.name": USER}),
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """A running Canaille with one user and one client."""
    environment = Path(os.environ.get(
        "CANAILLE_ENVIRONMENT", ROOT / ".build" / "canaille-venv"))
    if not (environment / "bin" / "canaille").exists():
        if sys.version_info < (3, 10):
            pytest.skip("Canaille needs Python 3.10 or newer")
        subprocess.run([str(ROOT / "scripts" / "setup.sh"), "canaille"], check=True)
    provider = Canaille(environment, tmp_path_factory.mktemp("canaille"), free_port())
    provider.start()
    provider.create_user(USER, PASSWORD)
    provider.create_client(CLIENT, SECRET, REDIRECT)
    provider.serve()
    yield provider
    provider.stop()


def play(provider):
    """The whole story, with real requests; every step checks that the provider did its part."""
    client, browser = Client(provider, CLIENT, SECRET, REDIRECT), Browser(provider)
    page = browser.follow(browser.request("GET", client.authorization_url()))
    wrong = provider.remember("a wrong password", "wrong-password-for-this-test")
    assert "/auth/password" in browser.login(page, USER, wrong).url

    browser = Browser(provider)
    page = browser.follow(browser.request("GET", client.authorization_url()))
    page = browser.login(page, USER, PASSWORD)
    assert "/oauth/authorize" in page.url
    answer = browser.submit(page, answer="accept")
    code = client.code(answer)
    status, tokens = client.exchange(code)
    assert status == 200 and tokens["refresh_token"]
    assert client.exchange(code)[0] == 400
    userinfo = requests.get(
        provider.metadata["userinfo_endpoint"], timeout=20,
        headers={"Authorization": "Bearer " + tokens["access_token"]})
    assert userinfo.json()["sub"] == USER
    status, found = client.post("introspection_endpoint", token=tokens["access_token"])
    assert status == 200 and found["active"]

    status, fresh = client.post(
        "token_endpoint", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert status == 200 and fresh["access_token"]
    bad = provider.remember("a bad refresh token", "bad-" + tokens["refresh_token"])
    assert client.post("token_endpoint", grant_type="refresh_token", refresh_token=bad)[0] == 400
    assert client.post("token_endpoint", secret="wrong-client-secret-for-this-test",
                       grant_type="client_credentials")[0] == 401
    assert client.post("token_endpoint", grant_type="client_credentials",
                       scope="profile")[0] == 200
    assert client.post("revocation_endpoint", token=fresh["access_token"])[0] == 200

    browser = Browser(provider)
    page = browser.follow(browser.request("GET", "/login"))
    assert f"/profile/{USER}" in browser.login(page, USER, PASSWORD).url
    browser.follow(browser.request("GET", f"/logout/{USER}"))
    browser.follow(browser.request("GET", "/login"))
    ending = urllib.parse.urlencode({"id_token_hint": tokens["id_token"], "client_id": CLIENT})
    browser.request("GET", provider.metadata["end_session_endpoint"] + "?" + ending)


def value(event, path):
    """A member of an event by its dotted name."""
    for name in path.split("."):
        event = event.get(name, {}) if isinstance(event, dict) else {}
    return event or None


def fits(event, actions, wanted):
    if event["action"] not in actions.split():
        return False
    for path, expected in wanted.items():
        if path == "client":
            if expected not in (value(event, "client.id"), value(event, "client.name")):
                return False
        elif value(event, path) != expected:
            return False
    return True


def test_the_story_of_a_login_is_told_in_order(provider, tmp_path, make_agent):
    output = tmp_path / "out.ndjson"
    agent = make_agent(
        [file_input(provider.log_path, parser="canaille", timezone="UTC")],
        [file_sink(output)]).start()
    play(provider)
    agent.wait_for(lambda: any(event["action"] == "LoggedOut" for event in read_events(output)),
                   30, "the logout")
    agent.wait_read(20)
    agent.wait_delivered("out")
    metrics = agent.metrics().text
    agent.stop()
    events = [event for event in read_events(output) if not is_agent_event(event)]
    told = [f"{event['action']} {value(event, 'actor.name')} {value(event, 'client')} "
            f"{value(event, 'error.code')}" for event in events]
    rest = iter(events)
    for actions, wanted in STORY:
        assert any(fits(event, actions, wanted) for event in rest), (
            f"no {actions} with {wanted} at its place in:\n" + "\n".join(told))
    assert all(event["provider"]["product"] == "canaille" for event in events)
    assert not [event for event in events if event["action"] == "Unclassified"], told
    ours = [event for event in events if fits(event, "AccessTokenIssued", {})]
    assert len(ours) == 2, "a token that was issued once became several events"
    assert all(abs(event_age(event)) < 300 for event in events), "the time zone was not applied"
    search_for_secrets(provider, agent, output, metrics)
    verdict = independent_verify.verify(output.read_text().splitlines(), [agent.verifier_key()])
    assert verdict.findings == []
    run("verify", "--vkey", agent.verifier_key(), output, check=0)


def event_age(event):
    """Seconds between what the provider wrote and when the agent read it."""
    from datetime import datetime
    form = "%Y-%m-%dT%H:%M:%S.%fZ"
    return (datetime.strptime(event["observed"], form)
            - datetime.strptime(event["time"], form)).total_seconds()


def search_for_secrets(provider, agent, output, metrics):
    """Looks for every secret of the run in everything that the agent wrote."""
    assert len(provider.secrets) > 25
    log = provider.log_path.read_text()
    logged = [secret for secret in provider.secrets if secret in log]
    assert len(logged) >= 10, "the provider logged no secrets, so this search proves nothing"
    places = {output.name: output.read_bytes(), "/metrics": metrics.encode(),
              "the agent's log": agent.errors_path.read_bytes()}
    for path in agent.state.rglob("*"):
        if path.is_file() and "keys" not in path.parts:
            places[str(path.relative_to(agent.state))] = path.read_bytes()
    # What the ledger holds is compressed, so it is searched as the agent itself reads it back.
    dumped = run("ledger", "dump", agent.state, check=0)
    places["ledger dump"] = dumped.stdout.encode()
    assert dumped.stdout.count("\n") > 10
    for secret, what in provider.secrets.items():
        spellings = {secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}
        for where, content in places.items():
            for spelling in spellings:
                assert spelling.encode() not in content, f"{what} stands in {where}"
