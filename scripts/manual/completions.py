# SPDX-License-Identifier: Apache-2.0
"""Completions for bash, zsh and fish. Names of parsers are asked for when they are needed."""

HEAD = "# Made by scripts/manual from `sealtail help`.\n"
# The first column of the table, without its head.
PARSERS = "sealtail parsers list 2>/dev/null | awk 'NR > 1 {print $1}'"


def kind(option):
    """What completes a value: parsers, words, folders, files, or nothing."""
    words = option.value.split("|")
    if option.name == "parser":
        return "parsers"
    if any(word.startswith("FILE") for word in words):
        return "files"
    if "DIR" in words:
        return "folders"
    return "words" if option.choices else ""


# MARK: bash

BASH = """\
_sealtail() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} words=
    # bash takes --name=value apart at the =.
    [ "$word" != = ] || word=
    [ "$before" != = ] || before=${COMP_WORDS[COMP_CWORD - 2]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="@NAMES@"
    else
        case "$command $before" in
@VALUES@            *)
                case "$command" in
@COMMANDS@                esac
                case "$word" in -*) compopt +o default ;; esac
                ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _sealtail sealtail
"""


def bash(commands):
    values, cases = "", ""
    for command in commands:
        for option in command.options:
            if not option.value:
                continue
            words = " ".join(option.choices)
            does = {
                "parsers": f'words="{words} $({PARSERS})"',
                "words": f'words="{words}"; compopt +o default',
                "folders": 'mapfile -t COMPREPLY < <(compgen -d -- "$word"); return',
                "files": "return",
                "": "compopt +o default; return",
            }[kind(option)]
            values += f"            '{command.name} --{option.name}') {does} ;;\n"
        flags = " ".join("--" + option.name for option in command.options)
        first = " ".join(command.words)
        cases += f"                    {command.name})\n"
        cases += f'                        words="{flags}"\n'
        if first:
            cases += f'                        [ "$COMP_CWORD" -gt 2 ] || words="{first} {flags}"\n'
        if command.takes_parsers:
            cases += '                        [ "$COMP_CWORD" -ne 3 ] '
            cases += f'|| words="$({PARSERS}) {flags}"\n'
        cases += "                        ;;\n"
    names = " ".join(command.name for command in commands)
    text = BASH.replace("@NAMES@", names).replace("@VALUES@", values)
    return HEAD + text.replace("@COMMANDS@", cases)


# MARK: zsh

ZSH = """\
_sealtail_parsers() {
    local -a names=(${(f)"$(@PARSERS@)"})
    compadd -a names
    (( ! $# )) || compadd -- "$@"
}

_sealtail() {
    local curcontext=$curcontext state line
    local -a commands=(
@NAMES@    )
    _arguments -C '1:command:->command' '*::argument:->argument'
    case $state in
        command) _describe command commands ;;
        argument)
            case $words[1] in
@COMMANDS@            esac
            ;;
    esac
}

_sealtail "$@"
"""


def zsh_text(text):
    for character in "\\[]:":
        text = text.replace(character, "\\" + character)
    return text.replace("'", "'\\''")


def zsh_value(option):
    words = " ".join(option.choices)
    action = {
        "parsers": f" _sealtail_parsers {words}", "words": f"({words})", "folders": "_files -/",
        "files": "_files", "": " ",
    }[kind(option)]
    return f":{zsh_text(option.value)}:{action}"


def zsh(commands):
    names, cases = "", ""
    for command in commands:
        names += f"        '{command.name}:{zsh_text(command.summary)}'\n"
        specs = []
        for option in command.options:
            value = zsh_value(option) if option.value else ""
            equals = "=" if option.value else ""
            specs.append(f"'--{option.name}{equals}[{zsh_text(option.meaning)}]{value}'")
        if command.words:
            specs.append(f"'1:what:({' '.join(command.words)})'")
        if command.takes_parsers:
            specs.append("'2:parser: _sealtail_parsers'")
        elif command.takes_paths:
            specs.append("'*:file:_files'")
        cases += f"                {command.name})\n                    _arguments"
        cases += "".join(f" \\\n                        {spec}" for spec in specs)
        cases += "\n                    ;;\n"
    text = ZSH.replace("@PARSERS@", PARSERS).replace("@NAMES@", names)
    return "#compdef sealtail\n" + HEAD + text.replace("@COMMANDS@", cases)


# MARK: fish

FISH = """\
function __sealtail_in
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[2] = $argv[1]
end

function __sealtail_begins
    test (count (commandline -opc)) -eq $argv[1]
end

complete -c sealtail -f
"""


def fish(commands):
    def quoted(text):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = []
    for command in commands:
        lines.append(
            f"complete -c sealtail -n '__sealtail_begins 1' -a {command.name} "
            f"-d {quoted(command.summary)}")
        inside = f"-n '__sealtail_in {command.name}'"
        second = f"-n '__sealtail_in {command.name}; and __sealtail_begins 2'"
        third = f"-n '__sealtail_in {command.name}; and __sealtail_begins 3'"
        if command.words:
            lines.append(f"complete -c sealtail {second} -a {quoted(' '.join(command.words))}")
        if command.takes_parsers:
            lines.append(f'complete -c sealtail {third} -a "({PARSERS_IN_FISH})"')
        elif command.takes_paths:
            lines.append(f"complete -c sealtail {inside} -F")
        for option in command.options:
            words = " ".join(option.choices)
            value = {
                "parsers": f' -x -a "{words} ({PARSERS_IN_FISH})"', "words": f" -x -a '{words}'",
                "folders": " -x -a '(__fish_complete_directories)'", "files": " -r -F", "": " -x",
            }[kind(option)] if option.value else ""
            lines.append(
                f"complete -c sealtail {inside} -l {option.name}{value} -d {quoted(option.meaning)}")
    return HEAD + FISH + "\n".join(lines) + "\n"


PARSERS_IN_FISH = PARSERS.replace("$", "\\$")
