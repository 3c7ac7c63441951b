# SPDX-License-Identifier: Apache-2.0
"""What the package holds: lintian, the program's links, pages, completions, bill of materials."""

import hashlib
import json
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest
from spdx_tools.spdx.model import RelationshipType
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from conftest import PLACE, ROOT, field, say


def test_lintian_has_neither_error_nor_warning():
    changes = next(PLACE.glob("*.changes"))
    # Run by root, it says so; the test above it needs root, this one does not mind.
    output = say("lintian", "--fail-on", "error,warning", "--allow-root", changes)
    assert not re.search("^[EW]:", output, re.MULTILINE), output
    assert not list((ROOT / "packaging/debian").glob("*overrides*")), "nothing is hidden from it"


def test_the_program_is_linked_as_it_should_be(contents):
    binary = contents / "usr/bin/sealtail"
    dynamic = say("readelf", "-dW", binary)
    assert "RUNPATH" not in dynamic and "RPATH" not in dynamic
    assert "libswift" not in dynamic and "libFoundation" not in dynamic
    assert re.search(r"FLAGS_1.*NOW.*PIE", dynamic), dynamic
    segments = say("readelf", "-lW", binary)
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK.* RW ", segments)
    sections = say("readelf", "-SW", binary)
    assert ".symtab" not in sections and ".swift_modhash" not in sections


def test_nothing_of_the_machine_that_built_it_is_in_it(contents):
    here = str(ROOT).encode()
    for file in contents.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert here not in file.read_bytes(), f"{file} names {ROOT}"


def test_manual_pages_are_found_and_read_without_a_warning(contents):
    for name in ("man1/sealtail.1.gz", "man5/sealtail.yaml.5.gz"):
        page = contents / "usr/share/man" / name
        done = subprocess.run(
            ["man", "--warnings", "--local-file", page], capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}, check=True)
        assert done.stderr == ""
        assert "sealtail" in say("lexgrog", page)


# MARK: - Completions


def bash(file, *words):
    script = f"""
        compopt() {{ :; }}
        source {file}
        COMP_WORDS=({' '.join(f"'{word}'" for word in words)})
        COMP_CWORD={len(words) - 1}
        _sealtail
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    return say("bash", "-c", script).split()


def fish(file, *words):
    output = say("fish", "--no-config", "-c", f"source {file}; complete -C '{' '.join(words)}'")
    return [line.split("\t")[0] for line in output.splitlines()]


def zsh(file, *words):
    """A real zsh at a terminal; what its completion would offer goes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / ".zshrc"
        hits = Path(folder) / "hits"
        start.write_text(ZSH_START.format(folder=file.parent, hits=hits), encoding="utf-8")
        script = f"""
            zmodload zsh/zpty
            zpty shell env ZDOTDIR={folder} TERM=dumb zsh -i --no-globalrcs
            zpty -r shell REPLY '*ready*'
            zpty -w -n shell {shlex.quote(' '.join(words))}$'\\t'
            zpty -r shell REPLY '*done*'
            zpty -d shell"""
        say("zsh", "-f", "-c", script, timeout=60)
        return hits.read_text(encoding="utf-8").split()


# compadd is what hands matches to the shell; with -O, -A or -D it only asks which there are.
ZSH_START = """\
PROMPT=
fpath=({folder} $fpath)
autoload -Uz compinit && compinit -D -u
: > {hits}
compadd() {{
    if [[ ${{(j: :)@[1,(i)(-|--)]}} == *-[a-zA-Z]#[OAD]\\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a found
    builtin compadd -A found "$@"
    print -l -- $found >> {hits}
    builtin compadd "$@"
}}
finish() {{ zle complete-word; print done }}
zle -N finish
bindkey '^I' finish
print ready
"""


PLACES = {
    bash: "bash-completion/completions/sealtail",
    zsh: "zsh/vendor-completions/_sealtail",
    fish: "fish/vendor_completions.d/sealtail.fish",
}


@pytest.mark.parametrize("shell", PLACES, ids=lambda shell: shell.__name__)
def test_completions_know_commands_options_and_words(shell, contents):
    file = contents / "usr/share" / PLACES[shell]

    def complete(*words):
        return shell(file, "sealtail", *words)

    assert {"check", "parse", "parsers", "verify"} <= set(complete(""))
    assert "check" in complete("che") and "verify" not in complete("che")
    assert {"--offline", "--config"} <= set(complete("check", "--"))
    assert "--vkey" not in complete("check", "--")
    assert {"canonical", "ecs", "ocsf"} <= set(complete("parse", "--format", ""))
    assert {"list", "show", "test"} <= set(complete("parsers", ""))
    # «verify» is a word of `ledger` as well, and has other options there.
    assert "--vkey" not in complete("ledger", "verify", "--")


# MARK: - Bill of materials


def test_bill_of_materials_is_valid_and_names_what_is_linked(contents, package):
    place = contents / "usr/share/doc/sealtail/sealtail.spdx.json"
    document = parse_file(str(place))
    assert validate_full_spdx_document(document) == []
    binary = (contents / "usr/bin/sealtail").read_bytes()
    text = json.loads(place.read_text(encoding="utf-8"))
    sums = {item["algorithm"]: item["checksumValue"] for item in text["files"][0]["checksums"]}
    assert sums["SHA256"] == hashlib.sha256(binary).hexdigest()
    names = {item.spdx_id: item.name for item in document.packages}

    def related(kind):
        return {
            names[item.related_spdx_element_id] for item in document.relationships
            if item.relationship_type == kind}

    depends = {re.split(r"[ |]", item.strip())[0] for item in field(package, "Depends").split(",")}
    # What dpkg-shlibdeps found out by its own means; the other three are no libraries.
    assert related(RelationshipType.DYNAMIC_LINK) == depends - {
        "ca-certificates", "systemd", "tzdata"}
    assert related(RelationshipType.STATIC_LINK) == {"swift-runtime"}
    for item in document.packages:
        assert item.version or item.name == "librdkafka1", f"{item.name} has no version"
