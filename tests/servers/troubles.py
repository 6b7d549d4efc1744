"""A PostgreSQL server that is encrypted, restarted in the middle of a run, or out of disk; an encrypted NATS server.

Usage: postgres.sh with python3 troubles.py GEPA

The disk is a small one in memory, which only root can make; without it that part says SKIPPED.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import over_queue

BIN = Path((glob.glob("/usr/lib/postgresql/*/bin") or ["/usr/bin"])[0])
EVALUATOR = """
import json, sys, time
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    time.sleep(0.08)
    print(json.dumps({"id": request["id"], "score": 1.0, "output": "x" * 4000}), flush=True)
"""
CONFIG = """
[run]
seed = 1
max_concurrent = 4
[search]
evaluation = "full"
[components]
plan = "Work step by step."
[examples]
train = ["0..10"]
pareto = ["10..{end}"]
[evaluator]
kind = "process"
command = ["python3", "evaluator.py"]
processes = 4
[reflection_model]
provider = "rulebook"
model = "rulebook"
[budget]
max_iterations = 1
max_rollouts = 100000
"""

passed = 0


def expect(what: str, holds: bool, seen: object = "") -> None:
    global passed
    if not holds:
        raise SystemExit(f"{what}: {seen}")
    passed += 1


def as_server(*command: object) -> None:
    """Runs a command as the user of the server."""
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class World:
    def __init__(self, gepa: str, folder: Path) -> None:
        self.gepa, self.folder = gepa, folder
        self.server = os.environ["GEPA_TEST_POSTGRES"]
        self.address = self.server.split("@")[1].split("/")[0]
        (folder / "evaluator.py").write_text(EVALUATOR)
        self.data = Path(self.sql("SHOW data_directory"))

    def sql(self, *statements: str) -> str:
        command = [str(BIN / "psql"), self.server, "-X", "-At", "-q"]
        for statement in statements:
            command += ["-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def config(self, name: str, rollouts: int) -> str:
        (self.folder / name).write_text(CONFIG.format(end=10 + rollouts))
        return name

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **more}
        return subprocess.Popen(
            [self.gepa, *arguments], env=environment, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **more)
        out, error = process.communicate(timeout=180)
        return process.returncode, out, error

    def until(self, process: subprocess.Popen[str], store: str, run: str, events: int) -> None:
        """Waits until the journal has this number of events. The run must not end before."""
        while self.events(store, run) < events:
            if process.poll() is not None:
                raise SystemExit(f"the run ended early: {process.communicate()[1]}")
            time.sleep(0.1)

    def events(self, store: str, run: str) -> int:
        return len(self.run("export", run, "--what", "events", "--store", store)[1].splitlines())


def certificates(folder: Path) -> None:
    """A private authority, and a certificate of `localhost` from it."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    (folder / "name.cnf").write_text("subjectAltName=DNS:localhost\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=private", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    openssl(
        *["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem"],
        *["-days", "2", "-extfile", "name.cnf"],
    )


def encrypted_database(world: World) -> None:
    for name in ("server.key", "server.pem"):
        target = world.data / name
        shutil.copy(world.folder / name, target)
        if os.geteuid() == 0:
            shutil.chown(target, "postgres", "postgres")
        target.chmod(0o600)
    world.sql(
        "ALTER SYSTEM SET ssl = on",
        "ALTER SYSTEM SET ssl_cert_file = 'server.pem'",
        "ALTER SYSTEM SET ssl_key_file = 'server.key'",
    )
    rules = world.data / "pg_hba.conf"
    before = rules.read_text()
    # Another user may come over encrypted connections only.
    world.sql("CREATE USER careful", "GRANT ALL ON DATABASE gepa TO careful")
    rules.write_text("hostssl all careful all trust\nhostnossl all careful all reject\n" + before)
    world.sql("SELECT pg_reload_conf()")
    time.sleep(0.5)
    port = world.address.split(":")[1]
    url = f"postgres://careful@localhost:{port}/gepa?schema=encrypted"
    code, _, error = world.run("run", world.config("small.toml", 20), "--store", f"{url}&sslmode=verify-full&sslrootcert=ca.pem")
    expect("a run over an encrypted connection", code == 0, error)
    used = world.sql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'careful'")
    expect("no connection of that user is open without encryption", used in ("t", ""), used)
    for why, rest, named in [
        ("an authority of the system does not know it", "&sslmode=verify-full", "certificate"),
        ("a connection in the clear", "&sslmode=disable", "pg_hba"),
        ("a file that is no certificate", "&sslmode=verify-full&sslrootcert=small.toml", "small.toml"),
    ]:
        code, _, error = world.run("runs", "--store", url + rest)
        expect(f"{why} is refused", code != 0 and named in error, error)
    by_address = url.replace("localhost", "127.0.0.1")
    code, _, error = world.run("runs", "--store", f"{by_address}&sslmode=verify-full&sslrootcert=ca.pem")
    expect("a certificate for another name is refused", code != 0 and "certificate" in error, error)
    rules.write_text(before)


def encrypted_queue(world: World) -> None:
    if "GEPA_NATS_SERVER" not in os.environ:
        print("SKIPPED: no NATS server, so no encrypted one is tried")
        return
    queue = over_queue.Queue(str(world.folder), ["--tls", "--tlscert", "server.pem", "--tlskey", "server.key"])
    try:
        url = f"tls://localhost:{queue.port}"
        config = world.config("queued.toml", 20)
        code, _, error = world.run("run", config, "--set", f"workers.queue={url}")
        expect("an authority that is not known", code != 0 and "GEPA_QUEUE_CA" in error, error)
        worker = world.start("worker", "--evaluator", config, "--queue", url, GEPA_QUEUE_CA="ca.pem")
        code, _, error = world.run("run", config, "--set", f"workers.queue={url}", GEPA_QUEUE_CA="ca.pem")
        worker.kill()
        worker.communicate()
        expect("a run over an encrypted queue", code == 0, error)
    finally:
        queue.kill()


def restarted(world: World) -> None:
    store = f"{world.server}?schema=restarted"
    process = world.start("run", world.config("long.toml", 600), "--store", store)
    assert process.stdout
    run = process.stdout.readline().strip()
    for _ in range(2):
        world.until(process, store, run, world.events(store, run) + 40)
        as_server(BIN / "pg_ctl", "-D", world.data, "-w", "-m", "immediate", "restart")
    _, error = process.communicate(timeout=180)
    expect("a run goes on when its server is restarted", process.returncode == 0, error)
    code, out, error = world.run("doctor", run, "--store", store)
    expect("nothing is wrong after that", code == 0, out + error)
    rows = world.run("export", run, "--what", "rollouts", "--store", store)[1].splitlines()
    places = [(row["trial_id"], row["seed"]) for row in map(json.loads, rows)]
    expect("no rollout is settled twice", len(places) == len(set(places)) == 603, len(places))


def full_disk(world: World) -> None:
    disk = world.folder / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True
    ).returncode == 0
    if not mounted:
        print("SKIPPED: no small disk can be mounted, so a full one is not tried")
        return
    try:
        place = disk / "data"
        place.mkdir()
        shutil.chown(place, "postgres", "postgres")
        world.sql(f"CREATE TABLESPACE small LOCATION '{place}'", "ALTER DATABASE gepa SET default_tablespace = small")
        store = f"{world.server}?schema=crowded"
        process = world.start("run", world.config("full.toml", 900), "--store", store)
        assert process.stdout
        run = process.stdout.readline().strip()
        world.until(process, store, run, 60)
        with open(disk / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass
        _, error = process.communicate(timeout=180)
        expect("a full disk ends the run", process.returncode != 0, process.returncode)
        expect("it is named", "No space left on device" in error, error)
        expect("how to go on is said", f"gepa run --resume {run}" in error, error)
        (disk / "filler").unlink()
        code, _, error = world.run("run", "--resume", run, "--store", store)
        # The disk holds no more than a part of the run; what counts is that it went on.
        expect("it goes on when there is room", code == 0, error)
        code, out, error = world.run("doctor", run, "--store", store)
        expect("nothing is wrong after that", code == 0, out + error)
    finally:
        world.sql("ALTER DATABASE gepa RESET default_tablespace", "DROP SCHEMA IF EXISTS crowded CASCADE")
        world.sql("DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", str(disk)], check=False)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        world = World(os.path.abspath(sys.argv[1]), folder)
        certificates(folder)
        encrypted_database(world)
        encrypted_queue(world)
        restarted(world)
        full_disk(world)
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
