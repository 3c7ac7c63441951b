# SPDX-License-Identifier: Apache-2.0
"""Writes the manual pages and the shells' completions into a folder.

usage: python3 scripts/manual SEALTAIL FOLDER

Nothing here is written by hand twice: commands, options and their meaning are what the program's
own --help prints, keys are agent.yaml, the rest stands in packaging/man. The date of the pages is
SOURCE_DATE_EPOCH, or today.
"""

import sys
from pathlib import Path

import completions
import pages
import program


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    binary, folder = arguments[0], Path(arguments[1])
    commands = program.commands(binary)
    version = program.version(binary)
    files = {
        "sealtail.1": pages.commands_page(commands, version),
        "sealtail.yaml.5": pages.configuration_page(version),
        "sealtail.bash": completions.bash(commands),
        "sealtail.zsh": completions.zsh(commands),
        "sealtail.fish": completions.fish(commands),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


main(sys.argv[1:])
