"""Writes the bill of materials of the binary in the form of CycloneDX 1.5, from `cargo metadata`.

Usage: sbom.py [FEATURES] > gepa.cdx.json
Lists every package that the binary is linked with, with version, licence, source and hash.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    features = sys.argv[1] if len(sys.argv) > 1 else "parquet,otel"
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--features"]
    names = ",".join(f"gepa-cli/{name}" for name in features.split(","))
    output = subprocess.run([*command, names], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    metadata = json.loads(output)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    [binary] = [one for one in packages if packages[one]["name"] == "gepa-cli"]
    linked = reached(binary, nodes)
    hashes = hashes_of((ROOT / "Cargo.lock").read_text("utf-8"))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[binary], hashes) | {"type": "application"}},
        "components": [component(packages[one], hashes) for one in sorted(linked - {binary})],
        "dependencies": [
            {"ref": reference(packages[one]), "dependsOn": sorted(reference(packages[to]) for to in normal(nodes[one]))}
            for one in sorted(linked)
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


def normal(node: dict[str, Any]) -> list[str]:
    """Dependencies that are linked, without those of builds and tests."""
    return [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]


def reached(start: str, nodes: dict[str, Any]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for other in normal(nodes[waiting.pop()]):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def component(package: dict[str, Any], hashes: dict[tuple[str, str], str]) -> dict[str, Any]:
    found = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package["license"]:
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    known = hashes.get((package["name"], package["version"]))
    if known:
        found["hashes"] = [{"alg": "SHA-256", "content": known}]
    return found


def reference(package: dict[str, Any]) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def hashes_of(lock: str) -> dict[tuple[str, str], str]:
    pattern = r'name = "(.+?)"\nversion = "(.+?)"\nsource = ".+?"\nchecksum = "(.+?)"'
    return {(name, version): checksum for name, version, checksum in re.findall(pattern, lock)}


if __name__ == "__main__":
    main()
