# SPDX-License-Identifier: Apache-2.0
"""Manual pages: the texts of packaging/man with the program's commands and agent.yaml in them."""

import os
import re
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a terminal of 80 columns shows of an example.
WIDTH = 73


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


def page(name, section, version, holes):
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    date = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    text = (ROOT / "packaging/man" / f"{name}.{section}").read_text(encoding="utf-8")
    for hole, filling in holes.items():
        text = text.replace(f"@{hole}@", filling)
    licence, rest = text.split("\n", 1)
    head = f'.TH {name.upper()} {section} {date} "Sealtail {version}" "Sealtail"'
    # Options and keys must not be hyphenated.
    return f"{licence}\n{head}\n.nh\n.ad l\n{rest}"


# MARK: sealtail(1)


def commands_page(commands, version):
    parts = []
    for command in commands:
        parts.append(f".SS {roff(command.name)}")
        parts.append(roff(sentence(command.summary)))
        parts.append(f".PP\n.B sealtail {roff(command.name)}\n{roff(command.usage)}".rstrip())
        for option in command.options:
            head = f".TP\n.B \\-\\-{roff(option.name)}"
            if option.value:
                head = f".TP\n.BI \\-\\-{roff(option.name)} \" {roff(option.value)}\""
            parts.append(f"{head}\n{roff(sentence(option.meaning))}".rstrip())
    return page("sealtail", 1, version, {"COMMANDS": "\n".join(parts)})


def sentence(text):
    return text[:1].upper() + text[1:] + "." if text else ""


# MARK: sealtail.yaml(5)


def configuration_page(version):
    text = (ROOT / "agent.yaml").read_text(encoding="utf-8")
    head, *blocks = re.split(r"^(?=[a-z_]+:$)", text, flags=re.MULTILINE)
    paragraphs = re.sub(r"^# ?", "", head, flags=re.MULTILINE).strip().split("\n\n")
    # The first one says what the file is, which the page has said already.
    introduction = "\n.PP\n".join(roff(paragraph) for paragraph in paragraphs[1:])
    keys = "\n".join(section(block) for block in blocks)
    return page("sealtail.yaml", 5, version, {"INTRODUCTION": introduction, "KEYS": keys})


def section(block):
    name, body = block.split(":", 1)
    parts = [f".SH {name.upper()}"]
    for example in re.split(r"\n\n+", f"{name}:{body.rstrip()}"):
        lines = [line for piece in pieces(example.splitlines()) for line in folded(*piece)]
        parts.append(".PP\n.EX\n" + roff("\n".join(lines)) + "\n.EE")
    return "\n".join(parts)


# A key with its value, perhaps switched off by a #; then perhaps a comment.
VALUE = r"""(?: +(?:\{.*\}|\[.*\]|[\[{].*,|"[^"]*"|[^\s"\[{]\S*))?"""
KEY = re.compile(r"((?: |# )*(?:- )?[a-z0-9_]+:" + VALUE + r")(?:( +)# (.*))?")
COMMENT = re.compile(r"((?: |# )*)# (.*)")
# A comment that begins farther right goes on with that of the key above.
CONTINUATION_COLUMN = 20


def pieces(lines):
    """Keys with their comments, and comments that stand alone, each as (key, gap, comment)."""
    found = []
    for line in lines:
        if key := KEY.fullmatch(line):
            found.append([key[1], key[2] or "", key[3] or ""])
            continue
        comment = COMMENT.fullmatch(line)
        if not comment:
            found.append([line, "", ""])
            continue
        indent, text = comment.groups()
        goes_on = found and found[-1][2] and (
            found[-1][:2] == [indent, ""]
            or len(indent) > CONTINUATION_COLUMN and found[-1][0].strip(" #"))
        if goes_on:
            found[-1][2] += " " + text
        else:
            found.append([indent, "", text])
    return found


def folded(key, gap, comment):
    """One of those pieces in lines that a terminal shows whole."""
    line = key + gap + ("# " + comment if comment else "")
    if len(line) <= WIDTH or not comment:
        return [line]
    indent = re.match(r" *(?:# +)*", key)[0]
    column = len(key + gap)
    if key.strip(" #") and WIDTH - column < 26:
        return folded(indent, "", comment) + [key]
    below = indent + " " * (column - len(indent)) + "# "
    return textwrap.wrap(
        comment, WIDTH, initial_indent=key + gap + "# ", subsequent_indent=below,
        break_long_words=False, break_on_hyphens=False)
