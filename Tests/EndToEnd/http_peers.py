# SPDX-License-Identifier: Apache-2.0
"""What stands between an agent and a receiver: a real nginx, and a proxy that makes tunnels."""

import base64
import contextlib
import gzip
import json
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from agent import free_port
from loopback import pump

BINARY = Path("/usr/sbin/nginx")
START_LIMIT = 10.0

CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 128; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{listen};
    {server}
    location / {{
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_set_header X-Protocol $server_protocol;
      proxy_set_header X-Client $ssl_client_s_dn;
      {location}
    }}
  }}
}}
"""

TLS = """\
ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_client_certificate {authority};
    ssl_verify_client on;"""


class Nginx:
    """nginx in front of a receiver; start it with `with`."""

    def __init__(self, folder, upstream, server="", location="", tls=None):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.port = free_port()
        if tls:
            server = TLS.format(**tls) + "\n    " + server
        (self.folder / "nginx.conf").write_text(CONFIGURATION.format(
            folder=self.folder, port=self.port, listen=" ssl http2" if tls else "",
            server=server, location=location, upstream=upstream))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        assert BINARY.exists(), "nginx is missing; run scripts/setup.sh packages"
        self.process = subprocess.Popen(
            [str(BINARY), "-p", str(self.folder), "-e", str(self.folder / "error.log"),
             "-c", str(self.folder / "nginx.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_LIMIT
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert self.process.poll() is None and time.monotonic() < deadline, (
                (self.folder / "error.log").read_text())
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.lock:
            self.server.requests.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Collector:
    """Takes POST requests and keeps them; start it with `with`."""

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.lock = threading.Lock()
        self.server.requests = []
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=10)

    def requests(self):
        """(headers, events) of every request so far."""
        with self.server.lock:
            return [(headers, json.loads(body)) for headers, body in self.server.requests]


class TunnelProxy:
    """Answers CONNECT from whoever knows the password; every name leads to one port here."""

    def __init__(self, port, username, password):
        self.target = port
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.wanted = f"proxy-authorization: basic {pair}".lower()
        self.asked = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                more = client.recv(4096)
                if not more:
                    return
                head += more
            text = head.decode()
            self.asked.append(text)
            if self.wanted not in text.lower():
                client.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
                return
            client.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.target)) as server, \
                    contextlib.suppress(OSError):
                pump(client, server)
