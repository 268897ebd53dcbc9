"""What the documents name is there: files and folders of this repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
OURS = "amf_ros/|amf_msgs/|benchmarks/|config/|docs/|examples/|launch/|requirements/|scripts/|test/"
PATH = re.compile(rf"(?<![\w./-])((?:{OURS})[\w./*<>-]*)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_in_a_document_is_there(document: Path) -> None:
    text = document.read_text()
    named = {found.rstrip("./") for found in PATH.findall(text) if "<" not in found}
    missing = [n for n in named if not any(any(at.glob(n)) for at in (ROOT, document.parent))]
    assert not missing, f"{document.relative_to(ROOT)} names {sorted(missing)}, which are not there"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_in_a_document_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing, f"{document.relative_to(ROOT)} links to {missing}, which are not there"
