"""No key turns up in anything that was written or answered; and the last row."""

from __future__ import annotations

from pathlib import Path

from checks import Context, check, expect
from world import SECRETS

# What the package's own processes print (the SDK a preview of what it submits) is not ours to keep
# clean. What they write elsewhere is searched: results, the queue's database with our output in it.
NOT_OURS = ("app_", "sdk_", "cli_", "queue_")


@check("secrets: no key is in the store, the results, the logs or any HTTP answer")
def no_secret_anywhere(context: Context) -> str:
    folder = context.world.folder
    searched, found = 0, []
    for path in folder.rglob("*"):
        if not path.is_file() or is_not_ours(path, folder):
            continue
        searched += 1
        content = path.read_bytes()
        for whose, secret in SECRETS.items():
            if secret.encode() in content:
                found.append(f"the {whose} key in {path}")
    expect(not found, found)
    names = {path.name for path in folder.rglob("*")}
    for wanted in ("backend.db", "http_answers.log", "serve.log", "model_server.log"):
        expect(wanted in names, f"{wanted} was not there to be searched")
    return f"{searched} files, the store and every HTTP answer among them"


def is_not_ours(path: Path, folder: Path) -> bool:
    top = path.relative_to(folder).parts[0]
    printed = top == "logs" and path.suffix == ".log" and path.name.startswith(NOT_OURS)
    return top in ("data", "home") or printed


@check("row 31: data is extracted end to end from the real parts, in CI")
def extracted_end_to_end(context: Context) -> str:
    tables = [name for name in context.jobs if name.startswith("queue ")]
    tasks = [name for name in context.jobs if name not in tables]
    expect(len(tasks) == 4 and len(tables) == 2, list(context.jobs))
    return f"{len(tasks)} apps through the SDK, {len(tables)} experiments through the queue"
