# SPDX-License-Identifier: Apache-2.0
"""Every error an operator can meet is a sentence with a way out: this walks the sources for them.

Whoever writes a new sentence is met by this test without a list to keep: each text that goes into a
problem or an error of a module is found where it is made.
"""

import re

from agent import ROOT

# What makes one: reports of mistakes in a configuration, and errors that hold a sentence.
MAKERS = re.compile(
    r"\b(?:problem|problems\.add|SealingError|SinkError|TLSError|ZoneError|CertificateError"
    r"|CredentialProblem|Unusable|Refusal)\(|\bthrow \.stage\(|\.alarm\(\s*reason:")

# What tells somebody what to do: what must be, or what to write, set, look at, …
WAY_OUT = re.compile(
    r"\bmust\b"
    r"|[;:,] (?:or )?(?:write|set|name|make|run|leave|type|turn|install|use|choose|copy|restore|move|"
    r"correct|grant|give|create|lower|look|add|take|put|start|begin|report|go on|wait|say|end|"
    r"remove|keep|list|reload|store|fill|split|delivering takes)\b"
    r"|says where|; there are <>|did you mean|known keys|\.advice")

# Clauses that others complete, and what is said elsewhere.
COMPLETED = {
    # The sentence around it names the file and says what to name instead.
    "Sources/Platform/Crypto/CertificateChain.swift", "Sources/Platform/Network/TLSClient.swift",
    # Named in a mistake of `timezone`, with names that can be used.
    "Sources/Platform/System/Zone.swift",
    # Findings of `sealtail verify` about a note: evidence, not a mistake to mend.
    "Sources/Sealing/Checkpoint.swift",
}


def texts(source, start):
    """The literals up to the parenthesis that closes the call, with what is put in as <>."""
    depth, index, found = 1, start, []
    while index < len(source) and depth:
        letter = source[index]
        if source.startswith('"""', index):
            end = source.index('"""', index + 3)
            found.append(re.sub(r"\\\n\s*", "", source[index + 3:end]))
            index = end + 3
            continue
        if letter == '"':
            index += 1
            text = ""
            while source[index] != '"':
                if source[index] == "\\" and source[index + 1] == "(":
                    begin, inner, index = index, 1, index + 2
                    while inner:
                        inner += {"(": 1, ")": -1}.get(source[index], 0)
                        index += 1
                    is_way = re.search(r"\.(?:advice|rule)\b", source[begin:index])
                    text += "<.advice>" if is_way else "<>"
                    continue
                width = 2 if source[index] == "\\" else 1
                text += source[index:index + width]
                index += width
            found.append(text)
        depth += {"(": 1, ")": -1}.get(letter, 0)
        index += 1
    return found


def spelled(source, maker):
    """The sentence of one call; the key of a reader's problem stands before it, as in the report."""
    found = texts(source, maker.end())
    if maker.group().startswith("problem(") and len(found) > 1:
        found[0] += ": "
    return "".join(found)


def sentences():
    """(place, sentence) for every error that is spelled out in the sources."""
    for path in sorted((ROOT / "Sources").rglob("*.swift")):
        source = path.read_text()
        for maker in MAKERS.finditer(source):
            line = source.count("\n", 0, maker.start()) + 1
            text = spelled(source, maker)
            # A sentence has a verb in the open; what only passes on another one has no words.
            words = re.sub(r"<[^>]*>", "", text)
            if len(words.split()) > 3:
                yield path.relative_to(ROOT).as_posix(), line, text


def test_every_sentence_has_a_way_out():
    found = list(sentences())
    assert len(found) > 250, "the walk finds too little; what makes errors now?"
    lost = [f"{path}:{line}: {text}" for path, line, text in found
            if path not in COMPLETED and not WAY_OUT.search(text)]
    assert not lost, "these say no way out:\n" + "\n".join(lost)


def test_every_sentence_is_one_short_line():
    for path, line, text in sentences():
        assert "\n" not in text and "\\n" not in text, f"{path}:{line}: more than one line: {text}"
        assert len(text) < 400, f"{path}:{line}: nobody reads on: {text}"


def test_the_walk_finds_a_sentence_without_a_way_out():
    source = 'reader.problem("timeout", "the far end \\(name) is very slow" + " today")'
    [call] = MAKERS.finditer(source)
    text = spelled(source, call)
    assert text == "timeout: the far end <> is very slow today" and not WAY_OUT.search(text)
