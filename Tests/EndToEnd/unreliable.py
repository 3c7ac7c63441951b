# SPDX-License-Identifier: Apache-2.0
"""A receiver that fails in every way there is, and keeps book of what was sent again and why."""

import random
import re
import time
from collections import Counter, defaultdict

from receiver import Fault, Receiver

NUMBERED = re.compile(rb'\\"id\\":\\"([a-z]+)-(\d{8})\\"')
# Lines with these numbers are refused for good, whenever they come: they are for the dead letter.
REFUSED_EVERY, REFUSED_AT = 97, 13
SPELL_EVERY, SPELL_LENGTH = 5.0, 0.6
HANG_SECONDS = 1.5
SLOW_SECONDS = 0.8
GOOD_IN_DECK = 24
DELAYS = (0.0, 0.004, 0.02, 0.05)


def number_of(document):
    """(family, number) of the line behind a document, or None for the agent's own events."""
    found = NUMBERED.search(document)
    return (found[1].decode(), int(found[2])) if found else None


def is_refused(document):
    """Whether this line is one of those that are never taken."""
    line = number_of(document)
    return line is not None and line[1] % REFUSED_EVERY == REFUSED_AT


class Faults:
    """Deals one fault after the other, each kind as often as the others, in an order by seed."""

    KINDS = ("429", "503", "413", "items 429", "items 503", "items both", "reset", "half",
             "close", "hang", "slow", "empty")

    def __init__(self, seed):
        self.pick = random.Random(seed)
        self.deck = []
        self.dealt = Counter()
        # Spells begin with a request, or a short run might see none.
        self.next_spell = time.monotonic() + SPELL_EVERY / 2
        self.spell_end = 0.0

    def draw(self):
        if not self.deck:
            self.deck = list(self.KINDS) + ["good"] * GOOD_IN_DECK
            self.pick.shuffle(self.deck)
        return self.deck.pop()

    def __call__(self, number, body):
        """The script of a receiver: what to do with one request."""
        now = time.monotonic()
        if now >= self.next_spell:
            self.spell_end, self.next_spell = now + SPELL_LENGTH, now + SPELL_EVERY
        if now < self.spell_end:
            self.dealt["spell"] += 1
            return Fault(status=503, before=0.02)
        kind = self.draw()
        if kind == "413" and body.count(b"\n") < 4:
            # Too large is only said of what can be cut.
            self.deck.insert(0, kind)
            kind = "good"
        self.dealt[kind] += 1
        return self.fault(kind)

    def fault(self, kind):
        if kind in ("429", "503", "413"):
            return Fault(status=int(kind), headers={"Retry-After": "0"} if kind == "429" else None)
        if kind.startswith("items"):
            statuses = {"items 429": (429,), "items 503": (503,)}.get(kind, (429, 503))
            return Fault(items=lambda *_: self.pick.choice(statuses)
                         if self.pick.random() < 0.2 else None)
        return {
            "reset": Fault(cut="reset"), "half": Fault(cut="half"), "close": Fault(cut="close"),
            "hang": Fault(cut="hang", hang=HANG_SECONDS), "slow": Fault(slow=SLOW_SECONDS),
            "empty": Fault(empty=True), "good": Fault(before=self.pick.choice(DELAYS))}[kind]

    def missing(self):
        """The kinds that never came."""
        return [kind for kind in (*self.KINDS, "spell") if not self.dealt[kind]]


class UnreliableReceiver(Receiver):
    """Knows of each id whether the agent has its answer, and which life of the agent sent it.

    A life is the time between a start of the agent and its end; the test counts it up.
    """

    def __init__(self, seed):
        super().__init__(Faults(seed))
        self.life = 0
        # id -> [life, time of the answer or None, status, number of the request]
        self.answers = {}
        self.pending = defaultdict(list)
        self.settled = defaultdict(set)
        self.settled_count = Counter()
        self.refused = set()
        # life that repeats -> id -> when it was answered in an earlier life; None: never
        self.repeats = defaultdict(dict)
        self.retries, self.unasked = Counter(), []
        self.item_statuses = Counter()

    def refuse(self, identifier, document, fault):
        if is_refused(document):
            self.refused.add(identifier)
            return 400
        return super().refuse(identifier, document, fault)

    def begun(self, number, identifier, document, status, connection):
        life = getattr(connection, "life", self.life)
        self.item_statuses[status] += 1
        before = self.answers.get(identifier)
        if before is not None:
            if before[0] != life:
                self.repeats[life].setdefault(identifier, before[1])
            elif before[1] is None:
                self.retries["not answered"] += 1
            elif before[2] == 400:
                # A full disk takes no dead letter, so the event must be refused once more.
                self.retries["refused"] += 1
            else:
                self.retries["answered"] += 1
                self.unasked.append(
                    f"{identifier} answered {before[2]} in request {before[3]}, "
                    f"came again {time.monotonic() - before[1]:.2f} s later in request {number}")
        if status in (429, 503):
            return
        line = number_of(document)
        if line is not None:
            self.note_settled(*line)
        self.pending[number].append((identifier, life))
        self.answers[identifier] = [life, None, status, number]

    def note_settled(self, family, number):
        """Counts the lines of a family that came, from its first one on without a gap."""
        seen, count = self.settled[family], self.settled_count[family]
        if number >= count:
            seen.add(number)
        while count in seen:
            seen.remove(count)
            count += 1
        self.settled_count[family] = count

    def ended(self, number, is_whole):
        with self.lock:
            now = time.monotonic()
            for identifier, life in self.pending.pop(number, []):
                if is_whole and self.answers[identifier][0] == life:
                    self.answers[identifier][1] = now
