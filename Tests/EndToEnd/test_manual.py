# SPDX-License-Identifier: Apache-2.0
"""Manual pages and completions are made from the program and from agent.yaml: nothing is missing."""

import re
import subprocess
import sys

import pytest

from agent import ROOT, binary

sys.path.insert(0, str(ROOT / "scripts/manual"))
import program  # noqa: E402

ASKED = re.compile(r'\b(?:has|value)\("([a-z-]+)"\)')


@pytest.fixture(scope="module")
def commands():
    return program.commands(binary())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    subprocess.run(
        [sys.executable, "-B", ROOT / "scripts/manual", binary(), folder], check=True)
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} | {
        "folder": folder}


def plain(page):
    """The text of a manual page without its markup and its headings."""
    page = re.sub(r"^\.(?:SH.*|\S+ ?)", "", page, flags=re.MULTILINE).replace("\\&", "")
    return page.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")


def test_every_option_has_its_meaning(commands):
    """An option without one: say in Help.swift what it means."""
    missing = [
        f"{command.name} --{option.name}" for command in commands for option in command.options
        if not option.meaning]
    assert not missing


def test_usage_names_every_option_that_is_asked_for(commands):
    """An option that a command asks for and no usage line states: add it in Main.swift."""
    stated = {option.name for command in commands for option in command.options}
    asked = set()
    for file in (ROOT / "Sources/sealtail").glob("*.swift"):
        asked |= set(re.findall(ASKED, file.read_text(encoding="utf-8")))
    assert {"json", "vkey"} <= asked, "the sources are not read as they are written"
    assert asked == stated


def test_every_command_and_option_is_in_page_and_completions(commands, made):
    assert len(commands) > 10
    page = plain(made["sealtail.1"])
    for command in commands:
        assert command.summary[1:] in page
        assert f"sealtail {command.name}\n{command.usage}" in page
        for option in command.options:
            assert f"--{option.name}" in page and option.meaning[1:] in page
            assert f"--{option.name}" in made["sealtail.bash"]
            assert f"--{option.name}" in made["sealtail.zsh"]
            assert f"-l {option.name} " in made["sealtail.fish"]
            for word in option.choices:
                for shell in ("bash", "zsh", "fish"):
                    assert re.search(rf"\b{word}\b", made[f"sealtail.{shell}"])


def test_every_word_of_the_configuration_is_in_its_page(made):
    def words(text):
        return [word for word in text.split() if word != "#"]

    head, keys = re.split(r"(?=^agent:$)", (ROOT / "agent.yaml").read_text("utf-8"), flags=re.M)
    introduction, examples = plain(made["sealtail.yaml.5"]).split("agent:", 1)
    for word in words(head.split("\n#\n", 1)[1]):
        assert word in introduction, f"{word} is lost"
    # A comment may have moved to where a terminal has room for it, but none is lost or comes twice.
    assert sorted(words(keys)) == sorted(["agent:", *words(examples.split("sealtail (1)")[0])])


def bash(folder, *words):
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        compopt() {{ :; }}
        source {folder}/sealtail.bash
        COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
        _sealtail
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_bash_completes(made):
    folder = made["folder"]
    assert bash(folder, "sealtail", "che") == ["check"]
    assert bash(folder, "sealtail", "check", "--o") == ["--offline"]
    assert bash(folder, "sealtail", "parse", "--format", "=", "o") == ["ocsf"]
    assert bash(folder, "sealtail", "ledger", "ver") == ["verify"]
