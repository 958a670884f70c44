"""What MkDocs is told beside mkdocs.yml: pages that lie elsewhere in the repository are pages too.

README.md is the home page. A link of a page is one of the repository, so that it works there; here
it leads to the page of that file, or to a copy of it. A link that leads nowhere is a warning, and
warnings are errors (`mkdocs build --strict`).
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = "README.md"
LINK = re.compile(r"(?<!`)(\[[^\]\n]*\]\()([^)\s#]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.M | re.S)


def elsewhere() -> list[str]:
    """The Markdown of the repository outside docs/, by path from its root."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("evsim/**/*.md")]
    found += ROOT.glob("tests/**/*.md")
    paths = {path.relative_to(ROOT).as_posix() for path in found}
    return sorted(path for path in paths if not path.startswith(("docs/", ".", "site/")))


def on_files(files, config):
    """Add the pages that lie elsewhere, and the files that any page links to."""
    from mkdocs.structure.files import File

    pages = elsewhere()
    for path in pages:
        files.append(File.generated(config, _place(path), abs_src_path=str(ROOT / path)))
    for path in [*pages, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]:
        if (ROOT / path).is_file():
            for target in _targets(path):
                copied = (ROOT / target).is_file() and not target.startswith("docs/")
                if copied and files.get_file_from_path(_place(target)) is None:
                    source = str(ROOT / target)
                    files.append(File.generated(config, _place(target), abs_src_path=source))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn the links of the repository into links of the site."""
    here = page.file.src_uri
    path = HOME if here == "index.md" else here if here in elsewhere() else f"docs/{here}"

    def led(link):
        target = _target(path, link[2])
        if target is None:
            return link[0]
        if (ROOT / target).is_dir():
            return link[1][1:-2]  # a folder is no page: its name alone
        where = posixpath.relpath(_place(target), posixpath.dirname(here) or ".")
        return f"{link[1]}{where}{link[3] or ''}{link[4]}"

    kept: list[str] = []

    def put_aside(code) -> str:
        kept.append(code[0])
        return f"\0{len(kept) - 1}\0"

    text = LINK.sub(led, FENCE.sub(put_aside, markdown))
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)


def _place(path: str) -> str:
    """Where a file of the repository is in the site."""
    return "index.md" if path == HOME else path.removeprefix("docs/")


def _target(path: str, link: str) -> str | None:
    """The file of the repository that a link of a page leads to; None if it leads out."""
    if "://" in link or link.startswith("mailto:"):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _targets(path: str) -> list[str]:
    text = FENCE.sub("", (ROOT / path).read_text(encoding="utf-8"))
    found = (_target(path, link[2]) for link in LINK.finditer(text))
    return [target for target in found if target is not None]
