# SPDX-License-Identifier: Apache-2.0
"""Writes packaging/elasticsearch, packaging/splunk and packaging/sigma/pipelines anew.

usage: python3 scripts/siem [--check]

With --check nothing is written; it exits with 1 when a file is not what would be written.
"""

import sys

import elasticsearch
import kibana
import sigma
import splunk
import tables


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    stale = []
    wanted = elasticsearch.files() | kibana.files() | splunk.files() | sigma.files()
    for path, text in wanted.items():
        place = tables.ROOT / path
        if place.is_file() and place.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not arguments:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'is not what the tables say; run make siem' if arguments else 'written'}")
    return 1 if arguments and stale else 0


sys.exit(main(sys.argv[1:]))
