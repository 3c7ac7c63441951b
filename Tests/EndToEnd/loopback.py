# SPDX-License-Identifier: Apache-2.0
"""What receivers and gates on loopback share: a server that keeps quiet, and pipes between sockets."""

import select
import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that go away, or are killed: that is what some tests are about."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, format, *arguments):
        pass

    def reset(self):
        """Breaks the connection off in the middle."""
        self.close_connection = True
        reset_on_close(self.connection)
        self.connection.close()


def reset_on_close(connection):
    # Lingering for zero seconds makes close(2) send a reset instead of an orderly end.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def pump(client, server):
    """Hands on what either side sends until one of them ends; raises OSError when one breaks."""
    other = {client: server, server: client}
    while True:
        for ready in select.select(list(other), [], [])[0]:
            piece = ready.recv(65536)
            if not piece:
                return
            other[ready].sendall(piece)
