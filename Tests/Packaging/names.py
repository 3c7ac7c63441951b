# SPDX-License-Identifier: Apache-2.0
"""A name server on port 53 that knows a few names, all of them this machine."""

import socket
import struct
import threading

LOOPBACK = bytes([127, 0, 0, 1])
ADDRESS_RECORD = 1


class NameServer:
    """Answers A records of its names with 127.0.0.1, and anything else with «no such name»."""

    def __init__(self, names):
        self.names = names
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        # A datagram without a question ends the thread, and only then the socket goes.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"", ("127.0.0.1", 53))
        self.thread.join(timeout=5)
        self.socket.close()

    def serve(self):
        while True:
            query, client = self.socket.recvfrom(512)
            if not query:
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
            at += query[at] + 1
        question = query[12:at + 5]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        known = ".".join(labels).lower() in self.names
        has_address = known and kind == ADDRESS_RECORD
        head = query[:2] + struct.pack("!5H", 0x8180 if known else 0x8183, 1, has_address, 0, 0)
        record = struct.pack("!HHHIH", 0xC00C, ADDRESS_RECORD, 1, 60, 4) + LOOPBACK
        return head + question + (record if has_address else b"")
