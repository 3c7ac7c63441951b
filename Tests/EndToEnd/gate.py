# SPDX-License-Identifier: Apache-2.0
"""What stands in the way to a receiver and goes away in several manners, while that lives on."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

from loopback import pump, reset_on_close


class Gate:
    """Hands connections on to a port of loopback; start it with `with`.

    `away` is "refuse" (nobody listens), "reset" (whoever comes is thrown out) or "hang" (whoever
    comes is let in and hears nothing). The port stays the gate's own meanwhile.
    """

    def __init__(self, target):
        self.target = target
        self.lock = threading.Lock()
        self.pairs = set()
        self.manner = None
        self.keeper = self.bound(0)
        self.port = self.keeper.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @staticmethod
    def bound(port):
        made = socket.socket()
        # With it on both, one socket keeps the port while the one that listens comes and goes.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", port))
        return made

    def __enter__(self):
        self.listen()
        return self

    def __exit__(self, *_):
        self.away("refuse")
        self.keeper.close()

    def listen(self):
        self.listener = self.bound(self.port)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def away(self, manner):
        with self.lock:
            self.manner = manner
            pairs, self.pairs = self.pairs, set()
        if manner == "refuse":
            self.listener.shutdown(socket.SHUT_RDWR)
        for client, server in pairs:
            # Lingering for zero seconds makes the end a reset.
            with contextlib.suppress(OSError):
                reset_on_close(client)
            for end in (server, client):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def back(self):
        former = self.manner
        # What hung is reset: a connection that came back to life would bring old requests.
        self.away(None)
        if former == "refuse":
            self.listen()

    def accept(self, listener):
        with listener:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.socket() as server:
            with self.lock:
                manner = self.manner
                self.pairs.add((client, server))
            try:
                if manner == "hang":
                    while client.recv(65536):
                        pass
                elif manner is None:
                    server.connect(("127.0.0.1", self.target))
                    pump(client, server)
                reset_on_close(client)
            except OSError:
                pass
            with self.lock:
                self.pairs.discard((client, server))


class MovedFolder:
    """The folder of a file that is missing for a while."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir()

    def away(self, _):
        self.folder.rename(self.folder.with_suffix(".away"))

    def back(self):
        self.folder.with_suffix(".away").rename(self.folder)


class PipeReader:
    """Reads a named pipe, and goes away; start it with `with`."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self.lock = threading.Lock()
        self.received = bytearray()
        self.back()
        self.is_over = False

    def __enter__(self):
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join(timeout=10)

    def away(self, _):
        with self.lock:
            os.close(self.reader)
            self.reader = None

    def back(self):
        with self.lock:
            self.reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self):
        while not self.is_over:
            with self.lock, contextlib.suppress(BlockingIOError):
                if self.reader is not None:
                    self.received += os.read(self.reader, 1 << 20)
            time.sleep(0.005)

    def lines(self):
        with self.lock:
            return bytes(self.received).decode().split("\n")[:-1]
