"""Finds circles of files inside each crate: files whose product code names each other in a loop.

Usage: circles.py [--arrows]
A file uses another when its code outside tests names something that is defined there, by a path or
through `use`. A re-export (`pub use`) and a `mod` line are no uses, unless the code of the same file
says the name as well. A method that is called on a value is not seen. Prints each circle with what
ties it; exits with 1 if there is one. With --arrows it prints every arrow inside large circles too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFINED = re.compile(
    r"^\s*(?:pub\s+)?(?:default\s+|const\s+|async\s+|unsafe\s+|extern\s+\"C\"\s+)*"
    r"(?:fn|struct|enum|union|trait|type|const|static|macro_rules!)\s+(?:mut\s+)?(\w+)",
    re.M,
)
TEXT = re.compile(r'''b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\])'|//[^\n]*|/\*.*?\*/''', re.S)
NAMED_IN_TEXT = re.compile(r'\b(?:with|default|\w+_with|skip_serializing_if|remote|from|into|try_from)\s*=\s*"([\w:]+)"')
VISIBILITY = re.compile(r"\bpub\([^)]*\)")
FOR_TESTS = re.compile(
    r"^([ ]*)#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:(?:pub\s+)?use\s[^;]+;|[^;{]*(;|\{))", re.M
)
INLINE = re.compile(r"^mod\s+\w+\s*\{.*?^\}", re.M | re.S)
MODULE = re.compile(r"^\s*(?:pub\s+)?mod\s+(\w+)\s*;", re.M)
USE = re.compile(r"^\s*(pub\s+)?use\s+([^;]+);", re.M)
PATH = re.compile(r"(?<![\w:])((?:\w+::)+)(\w+)")

@dataclass
class Module:
    file: Path
    parent: Module | None
    code: str
    children: dict[str, Module] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    exports: dict[str, list[str]] = field(default_factory=dict)
    imports: dict[str, list[str]] = field(default_factory=dict)
    globs: list[list[str]] = field(default_factory=list)

    def root(self) -> Module:
        return self if self.parent is None else self.parent.root()

def main() -> int:
    tied = 0
    for top in roots():
        arrows: dict[Path, dict[Path, set[str]]] = {}
        for module in all_of(read(top, None)):
            for name, target in uses(module):
                if target.file != module.file:
                    arrows.setdefault(module.file, {}).setdefault(target.file, set()).add(name)
        for circle in circles(arrows):
            tied += 1
            print(f"a circle of {len(circle)} files:")
            for file in sorted(circle):
                for used, names in sorted(arrows[file].items()):
                    if used in circle and (len(circle) <= 5 or "--arrows" in sys.argv):
                        where = f"{file.relative_to(ROOT)} uses {used.relative_to(ROOT)}"
                        print(f"  {where}: {', '.join(sorted(names))}")
                if len(circle) > 5 and "--arrows" not in sys.argv:
                    print(f"  {file.relative_to(ROOT)}")
    print(f"{tied} circles of files")
    return 1 if tied else 0

def roots() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.rs"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [ROOT / line for line in listed.stdout.splitlines()]
    product = [f for f in files if "src" in f.relative_to(ROOT).parts or "tests" not in f.relative_to(ROOT).parts]
    return [f for f in product if f.name in {"lib.rs", "main.rs"}]

def read(file: Path, parent: Module | None) -> Module:
    code = VISIBILITY.sub("pub", without_texts(file.read_text("utf-8")))
    code = without_tests(code)
    # A module with its body in the same file is part of that file.
    code = INLINE.sub(lambda found: found.group().replace("super::", "self::"), code)
    module = Module(file, parent, code)
    module.names = set(DEFINED.findall(code))
    folder = file.parent if file.name in {"lib.rs", "main.rs", "mod.rs"} else file.with_suffix("")
    for name in MODULE.findall(code):
        for place in [folder / f"{name}.rs", folder / name / "mod.rs"]:
            if place.exists():
                module.children[name] = read(place, module)
    for public, tree in USE.findall(code):
        for path, name in leaves(tree):
            if name == "*":
                module.globs.append(path)
            elif public:
                module.exports[name] = path
            else:
                module.imports[name] = path
    return module

def without_texts(text: str) -> str:
    """Leaves out comments and the contents of texts, but not the paths that attributes of serde hold in texts."""
    text = NAMED_IN_TEXT.sub(r"= \1", text)
    return TEXT.sub(lambda found: "" if found.group().startswith("/") else '""', text)

def without_tests(text: str) -> str:
    """Leaves out what is compiled for tests only; a block ends with the brace under its first letter."""
    while found := FOR_TESTS.search(text):
        end = found.end()
        if found.group(2) == "{":
            closing = re.compile(rf"^{found.group(1)}\}}", re.M).search(text, end)
            end = closing.end() if closing else len(text)
        text = text[: found.start()] + text[end:]
    return text

def leaves(tree: str, before: list[str] | None = None) -> list[tuple[list[str], str]]:
    """The paths of a use tree, each with the name under which it is known."""
    before = before or []
    tree = tree.strip()
    if "{" in tree:
        head, rest = tree.split("{", 1)
        start = before + [part for part in head.strip().split("::") if part]
        found, depth, piece = [], 0, ""
        for letter in rest.rsplit("}", 1)[0] + ",":
            depth += (letter == "{") - (letter == "}")
            if letter == "," and depth == 0:
                found += leaves(piece, start) if piece.strip() else []
                piece = ""
            else:
                piece += letter
        return found
    path, _, alias = tree.partition(" as ")
    parts = before + [part.strip() for part in path.split("::") if part.strip()]
    if parts[-1] == "self":
        parts = parts[:-1]
    return [(parts, alias.strip() or parts[-1])]

def all_of(module: Module) -> list[Module]:
    return [module, *(inner for child in module.children.values() for inner in all_of(child))]

def uses(module: Module) -> list[tuple[str, Module]]:
    """What the code of a file names elsewhere in its crate."""
    found: list[tuple[str, Module]] = []
    code = USE.sub("", module.code)
    words = set(re.findall(r"\w+", code))
    paths = [*module.imports.values()]
    # A re-export counts as a use when the file's own code says the name too.
    paths += [path for name, path in module.exports.items() if name in words and name not in module.children]
    paths += [[*head.split("::")[:-1], last] for head, last in PATH.findall(code)]
    for glob in module.globs:
        opened = walk(module, glob)
        if opened is not None:
            found += [(word, target) for word in sorted(words) if (target := definer(opened, word, 0))]
    for path in paths:
        target = resolve(module, path)
        # The name of a module says nothing yet: what is taken from it is a path of its own.
        if target is not None and not (path in module.imports.values() and is_module(module, path)):
            found.append((path[-1], target))
    return found

def is_module(module: Module, path: list[str]) -> bool:
    place = walk(module, path)
    return place is not None

def walk(module: Module, path: list[str]) -> Module | None:
    """The module that a path names, if it names one."""
    place: Module | None = None
    for index, part in enumerate(path):
        if index == 0:
            if part == "crate":
                place = module.root()
            elif part == "self":
                place = module
            elif part == "super":
                place = module.parent
            elif part in module.children:
                place = module.children[part]
            elif part in module.imports and module.imports[part] != path:
                place = walk(module, module.imports[part])
            else:
                return None
        elif place is None:
            return None
        elif part == "super":
            place = place.parent
        else:
            place = place.children.get(part)
    return place

def resolve(module: Module, path: list[str], depth: int = 0) -> Module | None:
    """The module that defines the last name of a path inside this crate."""
    if depth > 12 or not path:
        return None
    for length in range(len(path), 0, -1):
        place = walk(module, path[:length])
        if place is None:
            continue
        if length == len(path):
            return place if len(path) > 1 or path[0] in module.children else None
        return definer(place, path[length], depth)
    if path[0] in module.imports and module.imports[path[0]] != path:
        return resolve(module, module.imports[path[0]], depth + 1)
    return None

def definer(place: Module, name: str, depth: int) -> Module | None:
    if name in place.names:
        return place
    for table in (place.exports, place.imports):
        if name in table:
            return resolve(place, table[name], depth + 1)
    for path in place.globs:
        inner = walk(place, path)
        if inner is not None and inner is not place and (found := definer(inner, name, depth + 1)):
            return found
    return None

def circles(arrows: dict[Path, dict[Path, set[str]]]) -> list[set[Path]]:
    """The sets of files that reach each other (Tarjan's algorithm)."""
    index: dict[Path, int] = {}
    low: dict[Path, int] = {}
    stack: list[Path] = []
    found: list[set[Path]] = []

    def visit(file: Path) -> None:
        index[file] = low[file] = len(index)
        stack.append(file)
        for target in arrows.get(file, {}):
            if target not in index:
                visit(target)
                low[file] = min(low[file], low[target])
            elif target in stack:
                low[file] = min(low[file], index[target])
        if low[file] == index[file]:
            circle = set()
            while file not in circle:
                circle.add(stack.pop())
            if len(circle) > 1:
                found.append(circle)

    for file in sorted(arrows):
        if file not in index:
            visit(file)
    return found

if __name__ == "__main__":
    sys.exit(main())
