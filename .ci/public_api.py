"""Compares the public API of the library crates with the listing in docs/public-api.

The listing is read from what `cargo doc` wrote, so it needs no other compiler:

    cargo doc --workspace --no-deps && python3 .ci/public_api.py target/doc [--write]

A listing has one line for each public item, then its public methods, then the traits it implements.
Exit 0: equal, or written. Exit 1: different; the difference is printed.
"""

import difflib
import html
import pathlib
import re
import sys

CRATES = ["gepa_engine", "gepa_store"]
LISTINGS = pathlib.Path(__file__).parent.parent / "docs" / "public-api"
ITEM = re.compile(r"^(struct|enum|trait|fn|constant|static|type|macro|union)\.(\w+)\.html$")


def text_of(markup: str) -> str:
    """The words of a piece of a page on one line, without comments and the buttons that open lists."""
    markup = re.sub(r"<summary.*?</summary>", "", markup, flags=re.S)
    markup = re.sub(r'<span class="comment">.*?</span>', "", markup, flags=re.S)
    markup = re.sub(r'<a href="[^"]*" class="(?:anchor|src[^"]*|doc-anchor[^"]*)">.*?</a>', "", markup)
    words = html.unescape(re.sub(r"<[^>]+>", "", markup))
    words = re.sub(r"//[^\n]*", "", words)
    return re.sub(r"\s+", " ", words).strip()


def section(page: str, name: str) -> str:
    """The list with this id, up to the next heading of the page."""
    start = page.find(f'id="{name}"')
    if start < 0:
        return ""
    end = page.find("<h2 ", start)
    return page[start : end if end > 0 else len(page)]


def implemented(header: str) -> str:
    """The trait of `impl<T> Trait for Type`."""
    return re.sub(r"^impl(<[^>]*>)? ", "", header).split(" for ")[0]


def listing(folder: pathlib.Path) -> list[str]:
    """Every public item of one crate, sorted by path."""
    lines = []
    for page_file in sorted(folder.rglob("*.html")):
        kind = ITEM.match(page_file.name)
        if not kind:
            continue
        path = "::".join([folder.name, *page_file.relative_to(folder).parts[:-1], kind[2]])
        page = page_file.read_text(encoding="utf-8")
        if "This page redirects" in page or 'http-equiv="refresh"' in page:
            continue
        declaration = re.search(r'<pre class="rust item-decl">(.*?)</pre>', page, re.S)
        lines.append(f"{path}: {text_of(declaration[1]) if declaration else kind[1]}")
        own = section(page, "implementations-list")
        for method in re.findall(r'<h4 class="code-header">(.*?)</h4>', own, re.S):
            lines.append(f"    {text_of(method)}")
        headers = re.findall(
            r'<h3 class="code-header">(.*?)</h3>', section(page, "trait-implementations-list"), re.S
        )
        traits = {implemented(text_of(header)) for header in headers} - {"StructuralPartialEq"}
        if traits:
            lines.append(f"    implements {', '.join(sorted(traits))}")
    return lines


def main() -> int:
    documentation = pathlib.Path(sys.argv[1])
    write = "--write" in sys.argv[2:]
    different = False
    for crate in CRATES:
        found = listing(documentation / crate)
        if not found:
            print(f"{documentation / crate} has no pages; run cargo doc --workspace --no-deps first")
            return 1
        stored = LISTINGS / f"{crate}.txt"
        if write:
            stored.parent.mkdir(exist_ok=True)
            stored.write_text("\n".join(found) + "\n", encoding="utf-8")
            print(f"{stored.name}: {len(found)} lines written")
            continue
        expected = stored.read_text(encoding="utf-8").splitlines() if stored.exists() else []
        changes = list(difflib.unified_diff(expected, found, "listed", "found", n=0, lineterm=""))
        if changes:
            different = True
            print("\n".join(changes))
            print(f"{crate}: the public API differs from {stored.name}. If the change is meant, run")
            print("  cargo doc --workspace --no-deps && python3 .ci/public_api.py target/doc --write")
            print("and say in CHANGELOG.md what an embedder has to change.")
        else:
            print(f"{crate}: {len(found)} lines, as listed")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
