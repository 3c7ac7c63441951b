# SPDX-License-Identifier: Apache-2.0
"""The id of an event as docs/formats/event.md defines it, computed without the agent."""

import hashlib

import agent as agents

CASTAGNOLI = 0x82F63B78


def _table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (CASTAGNOLI if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()


def crc32c(data):
    """The checksum of RFC 3720."""
    state = 0xFFFFFFFF
    for byte in data:
        state = state >> 8 ^ TABLE[(state ^ byte) & 0xFF]
    return state ^ 0xFFFFFFFF


def event_id(source, position, record, ordinal=0, name=agents.NAME):
    """The id of the event that a record at this place of this source gives."""
    text = (f"sealtail-id/v1\n{name}\n{source}\n{position}\n{ordinal}\n{crc32c(record):08x}")
    return hashlib.sha256(text.encode()).hexdigest()[:32]
