# SPDX-License-Identifier: Apache-2.0
"""What the program says about itself: its commands, their options and operands."""

import re
import subprocess
from dataclasses import dataclass

# As Help.swift reads a usage line: what follows an option behind one space is its value.
OPTION = re.compile(r"--([a-z-]+)(?: (?![\[(|-])([^ \]\n]+))?")
LINE = re.compile(r"  --([a-z-]+)(?: (\S+))?(?:  +(.*))?")


@dataclass
class Option:
    name: str
    value: str      # "" for a flag, else as FILE or ecs|ocsf
    meaning: str

    @property
    def choices(self):
        """The words that may be written as they stand: auto of NAME|auto."""
        return [word for word in self.value.split("|") if re.fullmatch(r"[a-z][a-z0-9_-]*", word)]


@dataclass
class Command:
    name: str
    summary: str
    usage: str
    options: list

    @property
    def operands(self):
        return OPTION.sub("", self.usage)

    @property
    def words(self):
        """What may stand first behind the command, as list of `parsers list`."""
        return re.findall(r"(?<![A-Za-z])[a-z][a-z_-]*(?![A-Za-z])", self.operands)

    @property
    def takes_paths(self):
        return re.search(r"FILE|DIR", self.operands) is not None

    @property
    def takes_parsers(self):
        return self.name == "parsers"


def say(binary, *arguments):
    done = subprocess.run([binary, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def version(binary):
    return say(binary, "version").split()[-1]


def commands(binary):
    listed = re.findall(r"^  (\S+)  +(\S.*)$", say(binary, "help"), re.MULTILINE)
    return [read(binary, name, summary) for name, summary in listed]


def read(binary, name, summary):
    page = say(binary, name, "--help")
    usage, _, lines = page.partition(f"usage: sealtail {name}")[2].partition("\n\n")
    options = []
    for line in lines.splitlines():
        if found := LINE.fullmatch(line):
            options.append(Option(found[1], found[2] or "", found[3] or ""))
    return Command(name, summary, " ".join(usage.split()), options)
