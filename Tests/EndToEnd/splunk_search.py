# SPDX-License-Identifier: Apache-2.0
"""What Splunk makes of an event at search time, for as much of it as the add-on uses.

Written from Splunk's documentation of the order of search-time operations: JSON fields, aliases,
calculated fields (all from the same values), lookups in order of their names, event types, tags.
What it does not know it refuses, so that the add-on cannot outgrow it unseen.
"""

import configparser
import csv
import re

TOKEN = re.compile(r"""\s*(?:
    (?P<text>"(?:[^"\\]|\\.)*") | (?P<field>'[^']*') | (?P<sign>==|!=|[(),.]) | (?P<word>\w+)
)""", re.X)


class Add_on:
    def __init__(self, folder):
        self.folder = folder
        self.props = read(folder / "default/props.conf")
        self.transforms = read(folder / "default/transforms.conf")
        self.types = read(folder / "default/eventtypes.conf")
        self.tags = read(folder / "default/tags.conf")
        self.lookups = {name: self.rows(lines["filename"])
                        for name, lines in self.transforms.items()}
        self.evals = {}

    def rows(self, name):
        with open(self.folder / "lookups" / name, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def search(self, event, sourcetype):
        """The fields of an event, its event types and its tags."""
        fields = {"sourcetype": sourcetype}
        props = self.props[sourcetype]
        assert props["KV_MODE"] == "json"
        flatten(event, "", fields)
        for key, value in props.items():
            if key.startswith("FIELDALIAS-"):
                old, new = re.fullmatch(r"(\S+) AS (\S+)", value).groups()
                if old in fields:
                    fields[new] = fields[old]
        before = dict(fields)
        for key, value in props.items():
            if key.startswith("EVAL-"):
                if value not in self.evals:
                    self.evals[value] = Expression(value).tree
                result = self.evals[value](before)
                fields.pop(key[5:], None)
                if result is not None:
                    fields[key[5:]] = result
        for key in sorted(props):
            if key.startswith("LOOKUP-"):
                self.look_up(props[key], fields)
        types = [name for name, lines in self.types.items() if finds(lines["search"], fields)]
        tags = {tag for name in types for tag, on in
                self.tags.get(f"eventtype={name}", {}).items() if on == "enabled"}
        return fields, types, tags

    def look_up(self, line, fields):
        pattern = r"(\w+) (\w+) (OUTPUT|OUTPUTNEW) (.+)"
        table, key, manner, outputs = re.fullmatch(pattern, line).groups()
        assert self.transforms[table]["case_sensitive_match"] == "true"
        row = next((row for row in self.lookups[table] if row[key] == fields.get(key)), None)
        for output in outputs.split(",") if row else []:
            column, _, name = output.strip().partition(" AS ")
            name = name or column
            if row[column] and not (manner == "OUTPUTNEW" and name in fields):
                fields[name] = row[column]


def read(path):
    parser = configparser.ConfigParser(
        delimiters=("=",), comment_prefixes=("#",), interpolation=None, strict=True)
    parser.optionxform = str
    parser.read(path, encoding="utf-8")
    return {name: dict(parser[name]) for name in parser.sections()}


def flatten(value, path, fields):
    """As KV_MODE=json names what it finds: groups by dots, sets by braces."""
    for key, inner in value.items():
        name = f"{path}.{key}" if path else key
        if isinstance(inner, dict):
            flatten(inner, name, fields)
        elif isinstance(inner, list):
            fields[name + "{}"] = [str(one) for one in inner]
        else:
            fields[name] = str(inner).lower() if isinstance(inner, bool) else str(inner)


def finds(search, fields):
    return all(fields.get(name) == value
               for name, value in (term.split("=") for term in search.split()))


class Expression:
    """An expression of eval, as a function of the fields."""

    def __init__(self, text):
        self.tokens, end = [], 0
        while text[end:].strip():
            found = TOKEN.match(text, end)
            assert found, f"not understood: {text[end:]}"
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            end = found.end()
        self.tree = self.any()
        assert not self.tokens, f"left over: {self.tokens}"

    def next(self, *signs):
        if self.tokens and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def any(self):
        parts = [self.every()]
        while self.next("OR"):
            parts.append(self.every())
        return parts[0] if len(parts) == 1 else lambda f: any(part(f) for part in parts)

    def every(self):
        parts = [self.comparison()]
        while self.next("AND"):
            parts.append(self.comparison())
        return parts[0] if len(parts) == 1 else lambda f: all(part(f) for part in parts)

    def comparison(self):
        left = self.joined()
        sign = self.next("==", "!=")
        if not sign:
            return left
        right = self.joined()

        def compare(fields):
            one, other = left(fields), right(fields)
            if one is None or other is None:
                return None
            return (one == other) == (sign == "==")
        return compare

    def joined(self):
        parts = [self.value()]
        while self.next("."):
            parts.append(self.value())
        if len(parts) == 1:
            return parts[0]

        def join(fields):
            found = [part(fields) for part in parts]
            return None if None in found else "".join(found)
        return join

    def value(self):
        kind, text = self.tokens.pop(0)
        if text == "(":
            inner = self.any()
            assert self.next(")")
            return inner
        if kind == "text":
            return lambda fields: text[1:-1]
        if kind == "field":
            return lambda fields: fields.get(text[1:-1])
        assert kind == "word", f"not understood: {text}"
        if not self.next("("):
            return lambda fields: fields.get(text)
        arguments = []
        while not self.next(")"):
            arguments.append(self.any())
            self.next(",")
        return self.call(text, arguments)

    @staticmethod
    def call(name, arguments):
        def coalesce(fields):
            found = (argument(fields) for argument in arguments)
            return next((value for value in found if value is not None), None)

        def choose(fields):
            condition, yes, no = arguments
            return yes(fields) if condition(fields) else no(fields)

        def case(fields):
            pairs = zip(arguments[::2], arguments[1::2])
            return next((value(fields) for test, value in pairs if test(fields)), None)

        def match(fields):
            text, pattern = (argument(fields) for argument in arguments)
            return None if text is None else re.search(pattern, text) is not None

        def append(fields):
            values = []
            for argument in arguments:
                found = argument(fields)
                values += found if isinstance(found, list) else [found] if found else []
            return values or None

        def join(fields):
            values, between = (argument(fields) for argument in arguments)
            return None if values is None else between.join(values)

        known = {"coalesce": coalesce, "if": choose, "case": case, "match": match,
                 "mvappend": append, "mvjoin": join, "null": lambda fields: None}
        assert name in known, f"eval function {name} is not known here"
        return known[name]
