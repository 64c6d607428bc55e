"""README and docs: every link leads somewhere, no command stands twice, README stays short."""

import re
from pathlib import Path

import pytest

from conftest import ROOT, run
from documented import PAGES, commands

CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
ELSEWHERE = re.compile(r"^[a-z]+:")  # https:, mailto:
LONGEST = 140  # lines of README


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, text: str, files: set[Path]) -> list[str]:
    """Return the relative links and images of a page that lead nowhere.

    files: those of the repository.
    """
    found = []
    for link in LINK.findall(CODE.sub("", text)):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not (ELSEWHERE.match(link) or target in files):
            found.append(link)
        elif anchor and not ELSEWHERE.match(link):
            own = text if target == page else target.read_text(encoding="utf-8")
            found += [link] * (anchor not in anchors(own))
    return found


@pytest.fixture(scope="module")
def files() -> set[Path]:
    """The files that a clone holds."""
    return {ROOT / name for name in run("git", "ls-files", cwd=ROOT).splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_or_a_heading(page, files):
    assert broken(page, page.read_text(encoding="utf-8"), files) == []


def test_a_link_that_leads_nowhere_is_found(files):
    text = (
        "# One & two: `x`\n[a](#one--two-x) [b](#two) [c](docs/data.md#overlays) ![d](no.png)\n"
        "`[e](no.md)` [f](docs/data.md#no) [g](https://example.org#h)\n```\n[i](no.md)\n```\n"
    )
    assert broken(ROOT / "README.md", text, files) == ["#two", "no.png", "docs/data.md#no"]


def test_every_page_can_be_reached_from_the_readme():
    readme = PAGES[0].read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in readme] == []
    assert len(PAGES) > 8


def test_no_command_stands_twice():
    every = commands()
    assert sorted(set(every)) == sorted(every)


def test_the_readme_is_short():
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= LONGEST
