"""The page of stored runs, read again."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "wbr", "line", "rect", "circle", "path", "polyline", "polygon"}


class Page(HTMLParser):
    """The tags of a page, which must nest, and the text of its sections and tables."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.open, self.attributes = [], [], []
        self.text, self.tables, self.exact, self.section = {}, {}, {}, ""
        self.feed(Path(path).read_text(encoding="utf-8"))
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "h2":
            self.section = dict(attributes)["id"]
        if tag == "table":
            self.tables.setdefault(self.section, []).append([])
            self.exact.setdefault(self.section, []).append([])
        elif tag == "tr":
            self.tables[self.section][-1].append([])
            self.exact[self.section][-1].append([])
        elif tag in ("td", "th"):
            self.tables[self.section][-1][-1].append("")
            self.exact[self.section][-1][-1].append(None)
        elif tag == "span" and {"td", "th"} & set(self.open) and "title" in dict(attributes):
            said = dict(attributes)["title"].removeprefix("at least ").removesuffix(" µJ")
            ends = [float(end.replace(",", "")) for end in said.split(" to ")]
            self.exact[self.section][-1][-1][-1] = ends[0] if len(ends) == 1 else tuple(ends)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text[self.section] = self.text.get(self.section, "") + data
        if {"td", "th"} & set(self.open) and "title" not in self.open:
            self.tables[self.section][-1][-1][-1] += data

    def rows(self, section, which=0):
        """The rows of a table by their first word; cells without white space at their ends."""
        rows = [[cell.strip() for cell in row] for row in self.tables[section][which]]
        return {row[0].split(" ")[0] if section != "energy" else row[0]: row[1:] for row in rows}

    def amounts(self, section, which=0):
        """The numbers of a table before they are rounded, by row as in `rows`."""
        names = self.rows(section, which)
        exact = [row[1:] for row in self.exact[section][which]]
        return dict(zip(names, exact, strict=True))
