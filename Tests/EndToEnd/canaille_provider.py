# SPDX-License-Identifier: Apache-2.0
"""Runs Canaille, a real OpenID provider, on loopback, and plays a user and a client against it.

Everything secret that passes (codes, tokens, passwords, client secrets, cookies) is remembered,
so that a test can search for it afterwards in whatever the agent wrote.
"""

import base64
import hashlib
import json
import os
import re
import secrets
import subprocess
import time
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

START_LIMIT = 60.0
REQUEST_LIMIT = 20.0
SHORTEST_SECRET = 8

CONFIGURATION = """
SECRET_KEY = "{secret_key}"
SERVER_NAME = "127.0.0.1:{port}"
PREFERRED_URL_SCHEME = "http"

[CANAILLE]
DATABASE = "sql"
TIMEZONE = "UTC"
TRUSTED_DOMAINS = ["app.example.com"]
LANGUAGE = "en"

[CANAILLE.LOGGING]
version = 1
disable_existing_loggers = false

[CANAILLE.LOGGING.formatters.default]
format = "[%(asctime)s] - %(ip)s - %(levelname)s in %(module)s: %(message)s"

[CANAILLE.LOGGING.handlers.file]
class = "logging.handlers.WatchedFileHandler"
filename = "{log_path}"
formatter = "default"

[CANAILLE.LOGGING.root]
level = "INFO"
handlers = ["file"]

[CANAILLE.LOGGING.loggers.canaille]
level = "DEBUG"

[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{database_path}"

[CANAILLE_OIDC]
ACTIVE_JWKS = [{jwk}]

[CANAILLE.ACL.DEFAULT]
PERMISSIONS = ["edit_self", "use_oidc"]
READ = ["user_name", "groups", "lock_date"]
WRITE = ["given_name", "family_name", "display_name", "emails"]
"""


class Canaille:
    """One provider on one port, with its own database and its own log file."""

    def __init__(self, environment, folder, port):
        self.command = str(Path(environment) / "bin" / "canaille")
        self.folder = Path(folder)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log_path = self.folder / "canaille.log"
        self.process = None
        self.secrets = {}

    def remember(self, what, value):
        """Keeps a secret of this run under a name that an assertion can print."""
        if value and len(value) >= SHORTEST_SECRET:
            self.secrets[value] = what
        return value

    def run_command(self, *arguments):
        """Runs one Canaille command to its end and returns its standard output."""
        done = subprocess.run(
            [self.command, *arguments], cwd=self.folder, env=self.environment(),
            capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"canaille {arguments[0]} failed: {done.stderr[-2000:]}")
        return done.stdout

    def environment(self):
        """The child's environment: UTC, so that the log's zoneless times have one meaning."""
        inherited = {name: value for name, value in os.environ.items()
                     if not name.startswith(("CANAILLE", "FLASK"))}
        return {**inherited, "CANAILLE_CONFIG": str(self.folder / "canaille.toml"), "TZ": "UTC"}

    def start(self):
        """Makes keys and tables, starts the server and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "canaille.toml").write_text('SECRET_KEY = "not-used-to-serve"\n')
        jwk = self.run_command("jwk", "create", "rsa").strip()
        table = ", ".join(f"{key} = {json.dumps(value)}" for key, value in json.loads(jwk).items())
        self.remember("the private key", json.loads(jwk)["d"])
        (self.folder / "canaille.toml").write_text(CONFIGURATION.format(
            secret_key=self.remember("the session key", secrets.token_hex(24)), port=self.port,
            log_path=self.log_path, database_path=self.folder / "canaille.sqlite",
            jwk="{" + table + "}"))
        self.run_command("install")

    def serve(self):
        """Starts the server; the log file belongs to it from now on."""
        self.output = open(self.folder / "server.out", "wb")
        self.process = subprocess.Popen(
            [self.command, "run", "--bind", f"127.0.0.1:{self.port}"], cwd=self.folder,
            env=self.environment(), stdout=self.output, stderr=subprocess.STDOUT,
            start_new_session=True)
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                found = requests.get(
                    self.url + "/.well-known/openid-configuration", timeout=REQUEST_LIMIT)
                if found.ok:
                    self.metadata = found.json()
                    return
            except requests.RequestException:
                pass
            time.sleep(0.2)
        raise RuntimeError("Canaille did not come up: "
                           + (self.folder / "server.out").read_text()[-2000:])

    def create_user(self, name, password):
        """Adds an account with a password."""
        self.remember(f"the password of {name}", password)
        self.run_command(
            "create", "user", "--quiet", "--user-name", name, "--password", password,
            "--given-name", name.title(), "--family-name", "Example",
            "--emails", f"{name}@example.com")

    def create_client(self, identifier, secret, redirect):
        """Adds a confidential client that may use codes, refresh tokens and its own credentials."""
        self.remember(f"the secret of {identifier}", secret)
        self.run_command(
            "create", "client", "--quiet", "--client-id", identifier, "--client-secret", secret,
            "--client-name", identifier, "--client-uri", "https://app.example.com",
            "--redirect-uris", redirect,
            "--post-logout-redirect-uris", "https://app.example.com/bye",
            "--grant-types", "authorization_code", "--grant-types", "refresh_token",
            "--grant-types", "client_credentials", "--response-types", "code",
            "--scope", "openid", "--scope", "profile", "--scope", "email",
            "--token-endpoint-auth-method", "client_secret_basic")
        # A client is its own audience, or introspection calls every token inactive.
        self.run_command("set", "client", identifier, "--audience", identifier)

    def stop(self):
        """Ends the server and waits for it."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=15)
        if self.process:
            self.output.close()


class Browser:
    """What a user's browser does: follows redirects on the provider, fills in its forms."""

    def __init__(self, provider):
        self.provider = provider
        self.session = requests.Session()

    def request(self, method, url, **options):
        """One request without following; cookies that come back are remembered as secrets."""
        answer = self.session.request(
            method, urljoin(self.provider.url, url), allow_redirects=False,
            timeout=REQUEST_LIMIT, **options)
        for cookie in self.session.cookies:
            self.provider.remember(f"the cookie {cookie.name}", cookie.value)
        return answer

    def follow(self, answer):
        """Follows redirects as long as they stay on the provider."""
        for _ in range(12):
            if answer.status_code not in (301, 302, 303, 307, 308):
                return answer
            target = urljoin(answer.url, answer.headers["location"])
            if not target.startswith(self.provider.url):
                return answer
            answer = self.request("GET", target)
        raise RuntimeError("too many redirects")

    def submit(self, page, **fields):
        """Posts the page's form back, with its hidden fields and these."""
        found = re.search(r'<form[^>]*\baction="([^"]*)"', page.text)
        action = unescape(found[1]) if found and found[1] else page.url
        hidden = {}
        for tag in re.findall(r"<input[^>]*>", page.text):
            if 'type="hidden"' in tag:
                name = re.search(r'\bname="([^"]*)"', tag)
                value = re.search(r'\bvalue="([^"]*)"', tag)
                if name:
                    hidden[name[1]] = unescape(value[1]) if value else ""
        self.provider.remember("a form token", hidden.get("csrf_token"))
        return self.follow(self.request(
            "POST", urljoin(page.url, action), data={**hidden, **fields},
            headers={"Referer": page.url}))

    def login(self, page, name, password):
        """Answers the login page, then the password page."""
        asked = self.submit(page, login=name)
        return self.submit(asked, password=password)


class Client:
    """A relying party with a secret, PKCE and one redirect address."""

    def __init__(self, provider, identifier, secret, redirect):
        self.provider, self.identifier = provider, identifier
        self.secret, self.redirect = secret, redirect

    def authorization_url(self, scope="openid profile email", **more):
        """A fresh authorization request; state, nonce and verifier are remembered."""
        keep = self.provider.remember
        self.verifier = keep("the PKCE verifier", secrets.token_urlsafe(48))
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self.identifier, "scope": scope,
            "redirect_uri": self.redirect, "state": keep("the state", secrets.token_urlsafe(18)),
            "nonce": keep("the nonce", secrets.token_urlsafe(18)),
            "code_challenge": challenge, "code_challenge_method": "S256", **more}
        return requests.Request(
            "GET", self.provider.metadata["authorization_endpoint"], params=query).prepare().url

    def code(self, answer):
        """The code out of the redirect to the client."""
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return self.provider.remember("an authorization code", query["code"][0])

    def post(self, endpoint, secret=None, **fields):
        """One request to an endpoint of the provider, with HTTP Basic authentication."""
        password = self.provider.remember("a client secret", secret or self.secret)
        header = base64.b64encode(f"{self.identifier}:{password}".encode()).decode()
        self.provider.remember("an Authorization header", header)
        answer = requests.post(
            self.provider.metadata[endpoint], data=fields, timeout=REQUEST_LIMIT,
            headers={"Authorization": f"Basic {header}"})
        try:
            body = answer.json()
        except ValueError:
            body = {}
        for kind in ("access_token", "refresh_token", "id_token"):
            if isinstance(body, dict):
                self.provider.remember(f"an {kind}", body.get(kind))
        return answer.status_code, body

    def exchange(self, code):
        """Redeems a code."""
        return self.post(
            "token_endpoint", grant_type="authorization_code", code=code,
            redirect_uri=self.redirect, code_verifier=self.verifier)
