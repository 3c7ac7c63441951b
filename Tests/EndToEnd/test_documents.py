# SPDX-License-Identifier: Apache-2.0
"""What the pages refer to is there: other pages, sections, tests, jobs of make."""

import re
import subprocess

import pytest
from agent import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"),
                *(ROOT / "packaging").rglob("*.md")])
SWIFT = "\n".join(path.read_text() for path in (ROOT / "Tests").rglob("*.swift"))


def headings(path):
    return re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)


def anchor(heading):
    """The anchor of a heading, as hosts of repositories make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        place, _, fragment = target.partition("#")
        path = (page.parent / place).resolve() if place else page
        assert path.exists(), f"{name(page)}: {target}"
        if fragment:
            assert fragment in map(anchor, headings(path)), f"{name(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_sections_that_are_named_are_there(page):
    text = " ".join(page.read_text().split())
    for place, heading in re.findall(r"(?:\]\(|`)([\w/.-]+\.md)(?:\)|`),? «([^»]+)»", text):
        candidates = [page.parent / place, ROOT / place, ROOT / "docs" / place]
        path = next((one for one in candidates if one.exists()), None)
        assert path and heading in headings(path), f"{name(page)}: {place}, «{heading}»"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tests_and_jobs_that_are_named_are_there(page):
    text = page.read_text()
    for word in re.findall(r"`(?:[\w/]+/)?(test_\w+\.py)`", text):
        assert list((ROOT / "Tests").rglob(word)), f"{name(page)}: {word}"
    for word in re.findall(r"`(?:\w+/)*(\w+Tests)`", text):
        known = f"struct {word}" in SWIFT or list((ROOT / "Tests").rglob(f"{word}*"))
        assert known, f"{name(page)}: {word}"
    jobs = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for word in re.findall(r"`make ([a-z][a-z0-9-]*)", text):
        assert word in jobs, f"{name(page)}: make {word}"


PATCHES = sorted((ROOT / "Tests/EndToEnd/sabotage").glob("*.patch"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_the_sabotage_fits_the_code_as_it_is(patch):
    done = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
