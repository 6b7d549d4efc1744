"""Checks the crates and what they depend on, from `cargo metadata`, without building anything.

Usage: crates.py
Reads deny.toml (licences, duplicate versions, sources) and .ci/crates.toml (which crate may use
which, what a crate must be free of, dependencies that no source names). Prints every difference
and exits with 1 if there is one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DESCRIBED = ["description", "license", "readme", "keywords", "categories"]


def main() -> int:
    deny = tomllib.loads((ROOT / "deny.toml").read_text("utf-8"))
    rules = tomllib.loads((ROOT / ".ci/crates.toml").read_text("utf-8"))
    problems: list[str] = []
    versions: dict[str, set[str]] = defaultdict(set)
    members: list[dict[str, Any]] = []
    packages = 0
    for target in deny["graph"]["targets"]:
        graph = metadata(target)
        by_id = {package["id"]: package for package in graph["packages"]}
        outside = [by_id[node["id"]] for node in graph["resolve"]["nodes"]]
        members = [by_id[member] for member in graph["workspace_members"]]
        packages = max(packages, len(outside))
        for package in outside:
            versions[package["name"]].add(package["version"])
            problems += licence_problems(package, deny["licenses"]["allow"])
            problems += source_problems(package)
    problems += free_of_problems(rules["free_of"])
    problems += duplicate_problems(versions, deny["bans"]["skip"])
    for member in members:
        problems += description_problems(member)
        problems += direction_problems(member, rules["uses"])
        problems += unused_problems(member, rules["unnamed"])
    for member in members_of("python/Cargo.toml"):
        problems += description_problems(member)
        problems += direction_problems(member, rules["uses"])
    problems += workspace_problems()
    for problem in sorted(set(problems)):
        print(problem)
    print(f"{len(members)} crates, {packages} packages, {len(set(problems))} problems")
    return 1 if problems else 0


def metadata(target: str) -> dict[str, Any]:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def members_of(manifest: str) -> list[dict[str, Any]]:
    """The packages of a workspace of its own, as its manifest describes them."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--manifest-path", manifest]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)["packages"]


# ---- Licences, versions, sources -------------------------------------------------------------


def licence_problems(package: dict[str, Any], allowed: list[str]) -> list[str]:
    expression = package["license"] or ""
    if expression and licence_allowed(expression, set(allowed)):
        return []
    return [f"{package['name']} {package['version']}: licence {expression!r} is not in deny.toml"]


def licence_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met; `/` is an old way to write OR."""
    tokens = re.findall(r"\(|\)|[^\s()/]+|/", expression)
    position = 0

    def one() -> bool:
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            inner = either()
            position += 1
            return inner
        if position < len(tokens) and tokens[position] == "WITH":
            position += 2
            return f"{token} WITH {tokens[position - 1]}" in allowed
        return token in allowed

    def both() -> bool:
        nonlocal position
        met = one()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            met = one() and met
        return met

    def either() -> bool:
        nonlocal position
        met = both()
        while position < len(tokens) and tokens[position] in {"OR", "/"}:
            position += 1
            met = both() or met
        return met

    return either()


def source_problems(package: dict[str, Any]) -> list[str]:
    source = package["source"]
    if source is None or source.startswith("registry+") or source.startswith("sparse+"):
        return []
    return [f"{package['name']} {package['version']}: comes from {source}, not from the registry"]


def duplicate_problems(versions: dict[str, set[str]], skipped: list[dict[str, str]]) -> list[str]:
    """One version of each package may be there, besides those that deny.toml excuses."""
    problems = []
    excused = [entry["crate"].split("@") for entry in skipped]
    for name, found in sorted(versions.items()):
        old = {v for v in found for n, start in excused if n == name and starts_with(v, start)}
        if len(found - old) > 1:
            problems.append(f"{name}: versions {', '.join(sorted(found))}; say why in deny.toml")
    for name, start in excused:
        found = versions.get(name, set())
        if len(found) < 2 or not any(starts_with(version, start) for version in found):
            problems.append(f"deny.toml excuses {name}@{start}, which is no duplicate")
    return problems


def starts_with(version: str, start: str) -> bool:
    return version == start or version.startswith(start + ".")


# ---- The crates of this repository -----------------------------------------------------------


def description_problems(member: dict[str, Any]) -> list[str]:
    missing = [key for key in DESCRIBED if not member[key]]
    problems = [f"{member['name']}: Cargo.toml has no {key}" for key in missing]
    if member["publish"] != []:
        problems.append(f"{member['name']}: Cargo.toml lacks publish.workspace = true")
    return problems


def direction_problems(member: dict[str, Any], uses: dict[str, list[str]]) -> list[str]:
    """Dependencies of product code on other crates of ours, against .ci/crates.toml."""
    name = member["name"]
    if name not in uses:
        return [f"{name}: .ci/crates.toml does not say what it may use"]
    ours = [d for d in member["dependencies"] if d.get("path") and d["kind"] is None]
    return [
        f"{name} uses {dependency['name']}, an arrow that .ci/crates.toml does not have"
        for dependency in ours
        if dependency["name"] not in uses[name]
    ]


def free_of_problems(free_of: dict[str, list[str]]) -> list[str]:
    """Packages that may not be behind a crate that is built alone, however far away."""
    problems = []
    for name, unwanted in free_of.items():
        command = ["cargo", "tree", "--locked", "-p", name, "-e", "normal", "--prefix", "none"]
        tree = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        behind = {line.split(" ")[0] for line in tree.stdout.splitlines()}
        problems += [
            f"{name} must be free of {package} (.ci/crates.toml)"
            for package in unwanted
            if package in behind
        ]
    return problems


def unused_problems(member: dict[str, Any], unnamed: dict[str, list[str]]) -> list[str]:
    """Dependencies that no source of the crate names."""
    folder = Path(member["manifest_path"]).parent
    folders = {Path(target["src_path"]).parent for target in member["targets"]}
    folders |= {folder / "src", folder / "tests", folder / "benches", folder / "examples"}
    inner = [path.parent for path in folder.glob("*/Cargo.toml")]
    files = {
        path
        for place in folders
        for path in place.rglob("*.rs")
        if not any(path.is_relative_to(other) for other in inner)
    }
    text = "\n".join(path.read_text("utf-8") for path in sorted(files))
    problems = []
    for dependency in member["dependencies"]:
        word = (dependency["rename"] or dependency["name"]).replace("-", "_")
        named = re.search(rf"\b{re.escape(word)}\b\s*(::|;|\{{|!)", text)
        excused = dependency["name"] in unnamed.get(member["name"], [])
        own = dependency["name"] == member["name"]
        if not named and not excused and not own:
            problems.append(f"{member['name']}: no source names the dependency {dependency['name']}")
        if named and excused:
            problems.append(f".ci/crates.toml excuses {dependency['name']} in {member['name']} for nothing")
    return problems


def workspace_problems() -> list[str]:
    """Entries of the workspace's own list that no member takes."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))
    taken: set[str] = set()
    for member in manifest["workspace"]["members"]:
        crate = tomllib.loads((ROOT / member / "Cargo.toml").read_text("utf-8"))
        tables = [crate, *crate.get("target", {}).values()]
        for table in tables:
            for kind in ["dependencies", "dev-dependencies", "build-dependencies"]:
                taken |= set(table.get(kind, {}))
    listed = manifest["workspace"]["dependencies"]
    return [f"Cargo.toml lists {name}, which no crate takes" for name in listed if name not in taken]


if __name__ == "__main__":
    sys.exit(main())
