#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks seals, ids and the chain of epochs from the description of the format alone.

usage: independent_verify.py --vkey KEY|FILE [--export] [--json] FILE…

Shares no code with the agent: RFC 8785 comes from the package rfc8785, Ed25519 from cryptography.
Reads canonical lines and Elasticsearch documents. Unless --export is given (for a copy that may
lack its beginning or a filtered part), the files must hold every stream whole, from the first
epoch on. Prints findings and a closing line; exits with 1 on any finding.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from collections import defaultdict, namedtuple
from pathlib import Path

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

GROUP_LIMIT = 64
SAFE_INTEGER = 2**53 - 1
NO_DIGEST = bytes(32)
DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
STREAM = re.compile(r"(?P<name>[!-~]+)/main/[0-9a-f]{16}")
NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\n]+)\n(?P<size>[^\n]+)\n(?P<root>[^\n]+)\n)"
    "\n\u2014 (?P<name>[^ \n]+) (?P<signature>[^ \n]+)\n?")


class Invalid(Exception):
    """An event, a key or a note that does not stand the check; the text says why."""


Event = namedtuple("Event", "stream seq body leaf first count previous statement")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def decimal(text):
    if not DECIMAL.fullmatch(text):
        raise Invalid(f"{text!r} is no decimal without leading zeros")
    return int(text)


def exact_base64(text, url_safe):
    """Decodes, and refuses every spelling but the one that encoding gives back."""
    padded = text + "=" * (-len(text) % 4) if url_safe else text
    try:
        raw = (base64.urlsafe_b64decode if url_safe else base64.b64decode)(padded)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"{text!r} is no base64: {error}") from error
    again = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(raw).decode()
    if (again.rstrip("=") if url_safe else again) != text:
        raise Invalid(f"{text!r} is not the one spelling of its bytes")
    return raw


class Keys:
    """The verifier keys that the caller trusts, by name and key id."""

    def __init__(self, texts):
        self.keys = {}
        for text in texts:
            name, key_id, encoded = text.strip().split("+", 2)
            raw = exact_base64(encoded, url_safe=False)
            if len(raw) != 33 or raw[0] != 1:
                raise Invalid(f"{name}: this is no Ed25519 verifier key")
            if sha256(name.encode(), b"\n", raw)[:4].hex() != key_id:
                raise Invalid(f"{name}: the key id does not belong to the key")
            self.keys[name, key_id] = Ed25519PublicKey.from_public_bytes(raw[1:])

    def check(self, name, key_id, signature, message):
        key = self.keys.get((name, key_id))
        if key is None:
            raise Invalid(f"no trusted key {key_id} speaks for {name}")
        try:
            key.verify(signature, message)
        except InvalidSignature:
            raise Invalid("the signature does not fit") from None


def strict_pairs(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Invalid("a member comes twice")
    return members


def strict_integer(text):
    if text.startswith("-0") or abs(int(text)) > SAFE_INTEGER:
        raise Invalid(f"{text} is no integer that every reader reads alike")
    return int(text)


def refuse_number(text):
    raise Invalid(f"{text} is no integer")


def parse(text):
    """JSON, but nothing that two readers could read differently."""
    try:
        document = json.loads(
            text, object_pairs_hook=strict_pairs, parse_int=strict_integer,
            parse_float=refuse_number, parse_constant=refuse_number)
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise Invalid(f"ill-formed text: {error}") from error
    except ValueError as error:
        raise Invalid(f"no JSON: {error}") from error
    if not isinstance(document, dict):
        raise Invalid("no JSON object")
    return document


def signed_part(text):
    """The signed bytes, the body they say, and the proof beside them."""
    document = parse(text)
    inner = document.get("event")
    if isinstance(inner, dict) and "original" in inner:
        carried = inner["original"]
        body, proof = parse(carried), document.get("integrity")
        if rfc8785.dumps(body) != carried.encode():
            raise Invalid("event.original is not in RFC 8785 form")
        if inner.get("hash") != sha256(b"\0", carried.encode()).hex():
            raise Invalid("event.hash is not the leaf of event.original")
        return carried.encode(), body, proof
    proof = document.pop("integrity", None)
    signed = rfc8785.dumps(document)
    if not text.encode().startswith(signed[:-1] + b","):
        raise Invalid("the line is not in RFC 8785 form")
    return signed, document, proof


def climb(leaf, index, count, path):
    """The root of a tree of `count` leaves, from one leaf and its path (RFC 9162, 2.1.3.2)."""
    node, last, digest = index, count - 1, leaf
    for sibling in path:
        if last == 0:
            raise Invalid("the path is too long")
        if node % 2 == 1 or node == last:
            digest = sha256(b"\1", sibling, digest)
            while node % 2 == 0 and node != 0:
                node, last = node // 2, last // 2
        else:
            digest = sha256(b"\1", digest, sibling)
        node, last = node // 2, last // 2
    if last != 0:
        raise Invalid("the path is too short")
    return digest


def tree_root(leaves):
    """The Merkle tree hash of all leaves (RFC 9162, 2.1.1), without recursion."""
    stack = []
    for number, leaf in enumerate(leaves, 1):
        stack.append(leaf)
        while number % 2 == 0:
            right, left = stack.pop(), stack.pop()
            stack.append(sha256(b"\1", left, right))
            number //= 2
    if not stack:
        return sha256(b"")
    root = stack.pop()
    while stack:
        root = sha256(b"\1", stack.pop(), root)
    return root


def check_event(text, keys, known):
    """One event, whole or not at all. `known` remembers statements whose signature was good."""
    signed, body, proof = signed_part(text)
    if not isinstance(proof, dict) or set(proof) != {"stream", "seq", "proof"}:
        raise Invalid("integrity must hold stream, seq and proof, and nothing else")
    stream, seq = proof["stream"], proof["seq"]
    if type(seq) is not int or not isinstance(stream, str) or not isinstance(proof["proof"], str):
        raise Invalid("integrity has members of another type")
    parts = proof["proof"].split(".")
    if len(parts) != 7 or parts[0] != "1":
        raise Invalid("this is no proof of version 1")
    first, count, key_id = decimal(parts[1]), decimal(parts[2]), parts[3]
    previous, path, signature = (exact_base64(part, url_safe=True) for part in parts[4:])
    origin = STREAM.fullmatch(stream)
    if not origin:
        raise Invalid(f"{stream!r} is no stream")
    if not 1 <= count <= GROUP_LIMIT or not first <= seq < first + count:
        raise Invalid(f"{seq} is not one of {count} from {first}")
    if len(path) % 32 or len(previous) != 32 or len(signature) != 64:
        raise Invalid("a part of the proof has the wrong length")
    leaf = sha256(b"\0", signed)
    siblings = [path[at:at + 32] for at in range(0, len(path), 32)]
    root = climb(leaf, seq - first, count, siblings)
    statement = "\n".join([
        "sealtail-group/v1", stream, key_id, str(first), str(count),
        base64.b64encode(previous).decode(), base64.b64encode(root).decode(), ""]).encode()
    if (statement, signature) not in known:
        keys.check(origin["name"], key_id, signature, statement)
        known.add((statement, signature))
    return Event(stream, seq, body, leaf, first, count, previous, sha256(statement))


class Verdict:
    """What was found, over everything that was read."""

    def __init__(self):
        self.findings = []
        self.events = []
        self.repeats = 0
        self.by_stream = defaultdict(dict)
        self.groups = defaultdict(dict)
        self.positions_of_id = defaultdict(set)

    def find(self, text):
        self.findings.append(text)


def collect(verdict, lines, keys):
    known = set()
    for number, text in enumerate(lines, 1):
        if isinstance(text, bytes):
            try:
                text = text.decode()
            except UnicodeDecodeError:
                verdict.find(f"line {number}: ill-formed UTF-8")
                continue
        text = text.rstrip("\n")
        if not text:
            continue
        try:
            event = check_event(text, keys, known)
        except Invalid as error:
            verdict.find(f"line {number}: invalid: {error}")
            continue
        seen = verdict.by_stream[event.stream].get(event.seq)
        verdict.positions_of_id[event.body.get("id")].add((event.stream, event.seq))
        if seen is not None:
            if seen.statement == event.statement and seen.leaf == event.leaf:
                verdict.repeats += 1
            else:
                verdict.find(f"{event.stream}: fork at {event.seq}")
            continue
        verdict.events.append(event)
        verdict.by_stream[event.stream][event.seq] = event
        group = verdict.groups[event.stream].setdefault(event.first, event)
        if group.statement != event.statement:
            verdict.find(f"{event.stream}: fork at {event.first}")


def check_stream(verdict, stream, whole):
    """One stream: nothing absent, nothing overlapping, each group tied to the one before."""
    end, head = None, None
    for first in sorted(verdict.groups[stream]):
        group = verdict.groups[stream][first]
        if end is None:
            if first == 0 and group.previous != NO_DIGEST:
                verdict.find(f"{stream}: chain break at 0")
            if first > 0 and whole:
                verdict.find(f"{stream}: gap 0..{first - 1}")
        elif first < end:
            verdict.find(f"{stream}: fork at {first}")
        elif first > end:
            if whole:
                verdict.find(f"{stream}: gap {end}..{first - 1}")
        elif group.previous != head:
            verdict.find(f"{stream}: chain break at {first}")
        absent = [seq for seq in range(first, first + group.count)
                  if seq not in verdict.by_stream[stream]]
        if absent and whole:
            verdict.find(f"{stream}: missing {absent[0]}..{absent[-1]} ({len(absent)})")
        end, head = first + group.count, group.statement
    return end, head


def check_checkpoints(verdict, stream, keys):
    events = verdict.by_stream[stream]
    for seq, event in sorted(events.items()):
        if event.body.get("action") != "CheckpointSigned":
            continue
        note = NOTE.fullmatch(event.body.get("agent", {}).get("checkpoint", ""))
        try:
            if not note or note["origin"] != stream or decimal(note["size"]) != seq:
                raise Invalid("it speaks of another stream or size, or is no note")
            if note["name"] != STREAM.fullmatch(stream)["name"]:
                raise Invalid("another name signed it")
            raw = exact_base64(note["signature"], url_safe=False)
            keys.check(note["name"], raw[:4].hex(), raw[4:], note["text"].encode())
            if all(before in events for before in range(seq)):
                root = tree_root(events[before].leaf for before in range(seq))
                if base64.b64encode(root).decode() != note["root"]:
                    raise Invalid("its root is not that of the events")
        except Invalid as error:
            verdict.find(f"{stream}: bad checkpoint at {seq}: {error}")


def check_epochs(verdict, ends, whole):
    """Every stream but the first names the one before it, and no two name the same one."""
    successors = defaultdict(list)
    roots = []
    for stream, events in verdict.by_stream.items():
        if 0 not in events:
            continue
        opening = events[0].body
        if opening.get("action") != "AgentStarted":
            verdict.find(f"{stream}: begins with {opening.get('action')}")
            continue
        named = opening.get("agent", {}).get("predecessor", "")
        if named in ("none", "lost"):
            roots.append(stream)
            if named == "lost":
                verdict.find(f"{stream}: the agent found its ledger lost")
            continue
        before, size, digest = named.split(" ")
        successors[before].append(stream)
        if before not in ends:
            if whole:
                verdict.find(f"{stream}: missing stream {before}")
            continue
        end, head = ends[before]
        if end < decimal(size):
            if whole:
                verdict.find(f"{before}: missing tail {end}..{int(size) - 1}")
        elif end > int(size):
            verdict.find(f"{before}: {end - int(size)} were delivered, then lost from the ledger")
        elif head != exact_base64(digest, url_safe=False):
            verdict.find(f"{stream}: its predecessor ends in another statement")
    for before, after in successors.items():
        if len(after) > 1:
            verdict.find(f"{before}: fork: {len(after)} streams name it as their predecessor")
    if whole and len(roots) != 1:
        verdict.find(f"{len(roots)} streams have no predecessor; there must be exactly one")


def verify(lines, vkeys, whole=True):
    """Checks every event, every stream and the chain of streams."""
    verdict, keys = Verdict(), Keys(vkeys)
    collect(verdict, lines, keys)
    ends = {}
    for stream in list(verdict.groups):
        ends[stream] = check_stream(verdict, stream, whole)
        check_checkpoints(verdict, stream, keys)
    check_epochs(verdict, ends, whole)
    for identifier, positions in verdict.positions_of_id.items():
        if len(positions) > 1:
            verdict.find(f"id {identifier} stands at {len(positions)} places: {sorted(positions)}")
    return verdict


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = CRC32C[(value ^ byte) & 255] ^ value >> 8
    return value ^ 0xFFFFFFFF


def file_key(input_id, inode, generation, first_record):
    """The name that a log file keeps for life."""
    return sha256(
        f"sealtail-file/v1\n{input_id}\n{inode}\n{generation}\n".encode(),
        sha256(first_record[:1024]).hex().encode())[:16].hex()


def event_id(agent_name, source, position, record, ordinal=0):
    """The id that this record's event must carry, whoever reads it and however often."""
    return sha256(
        f"sealtail-id/v1\n{agent_name}\n{source}\n{position}\n{ordinal}\n".encode(),
        f"{crc32c(record):08x}".encode())[:16].hex()


def file_ids(path, agent_name, input_id, generation=0):
    """The ids of all whole lines of a log file, in order."""
    data = Path(path).read_bytes()
    lines = data.split(b"\n")[:-1]
    if not lines:
        return []
    strip = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    key = file_key(input_id, Path(path).stat().st_ino, generation, strip[0])
    ids, offset = [], 0
    for line, record in zip(lines, strip):
        ids.append(event_id(agent_name, key, offset, record))
        offset += len(line) + 1
    return ids


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--vkey", action="append", required=True)
    options.add_argument("--export", action="store_true")
    options.add_argument("--json", action="store_true")
    options.add_argument("files", nargs="+")
    chosen = options.parse_args()
    vkeys = [Path(key).read_text() if Path(key).is_file() else key for key in chosen.vkey]
    lines = []
    for name in chosen.files:
        with open(name, "rb") as file:
            lines += file.readlines()
    verdict = verify(lines, vkeys, whole=not chosen.export)
    summary = {
        "events": len(verdict.events), "repeats": verdict.repeats,
        "groups": sum(map(len, verdict.groups.values())), "streams": len(verdict.groups),
        "findings": verdict.findings}
    if chosen.json:
        print(json.dumps(summary))
    else:
        for finding in verdict.findings:
            print(finding)
        print("{events} events, {groups} groups, {streams} streams, ".format(**summary)
              + f"{len(verdict.findings)} findings")
    sys.exit(1 if verdict.findings or not verdict.events else 0)


if __name__ == "__main__":
    main()
