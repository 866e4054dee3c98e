"""The documents lead where they say: to pages, headings and tests that there are; and the README names each page."""

import re
from pathlib import Path

import pytest

from tests.meta.sources import ROOT, text, tracked

PAGES = tracked("*.md")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    found = set()
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ +(.*)$", prose, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        found.add(anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in _LINK.findall(text(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page.parent / name).resolve() if name else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target.relative_to(ROOT))):
            broken.append(link)
    assert broken == []


def test_every_test_that_a_page_names_is_there() -> None:
    there = {each.name for each in tracked("tests/*.py")}
    named = {(page.name, name) for page in PAGES for name in re.findall(r"\btest_[a-z0-9_]+\.py\b", text(page))}
    assert [each for each in sorted(named) if each[1] not in there] == []


def test_the_readme_names_each_page() -> None:
    linked = set(_LINK.findall(text(Path("README.md"))))
    assert [str(each) for each in tracked("docs/*.md") if each.parent == Path("docs") and str(each) not in linked] == []
