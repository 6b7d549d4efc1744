// Makes the runs that the tests look at, with the built binary: a healthy one, and one whose every
// text is hostile.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";

const REPOSITORY = new URL("../../../", import.meta.url).pathname;
export const GEPA = process.env.GEPA ?? join(REPOSITORY, "target/debug/gepa");

/** What must be shown as text and must do nothing else. */
export const HOSTILE =
  "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>" +
  "<a href='javascript:window.hacked=1'>x</a>\u001b[31mred\u0007 \u202egnp.exe\u202c \u0001 \"'`";

export function gepa(folder, ...args) {
  const environment = { ...process.env, GEPA_STORE: `sqlite://${join(folder, "gepa.db")}` };
  return execFileSync(GEPA, args, { cwd: folder, env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 28 });
}

export function rows(folder, run, what) {
  const text = gepa(folder, "export", run, "--what", what);
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** A run of the first example config. */
export function healthy(folder, ...settings) {
  return gepa(folder, "run", join(REPOSITORY, "configs/heart_disease.toml"), ...settings).split("\n")[0];
}

/** Adds rows of runs that are copies of this one, without their journals, to the list. */
export function copies(folder, run, number) {
  const script = `
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
names = [row[1] for row in store.execute("PRAGMA table_info(runs)") if row[1] not in ("id", "run_id")]
columns = ", ".join(names)
for number in range(int(sys.argv[3])):
    values = ("pl_" + format(number, "024x"), sys.argv[2])
    store.execute(f"INSERT INTO runs (run_id, {columns}) SELECT ?, {columns} FROM runs WHERE run_id = ?", values)
store.commit()
`;
  execFileSync("python3", ["-c", script, join(folder, "gepa.db"), run, String(number)]);
}

/** A run whose name, prompt, examples, outputs, feedback and failures hold `HOSTILE`. */
export function hostile(folder) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "evaluator.py"), EVALUATOR);
  writeFileSync(join(folder, "proposer.py"), PROPOSER);
  const lines = Array.from({ length: 36 }, (_, id) => JSON.stringify({ id: `${id} ${HOSTILE}`, question: HOSTILE, answer: "yes" }));
  writeFileSync(join(folder, "rows.jsonl"), lines.join("\n"));
  writeFileSync(join(folder, "hostile.toml"), CONFIG);
  return gepa(folder, "run", "hostile.toml").split("\n")[0];
}

/** Scores by the length of the text, and fails on every fifth example. */
const EVALUATOR = `
import json, sys
BAD = json.loads(${JSON.stringify(JSON.stringify(HOSTILE))}) + chr(0) + "x" * 400000
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    number = int(str(request["example"]).split()[0])
    answer = {"id": request["id"]}
    if number % 5 == 4:
        answer["error"] = {"kind": "permanent", "message": BAD[:2000]}
    else:
        length = len(request["candidate"]["words"])
        answer.update(score=min(1, (number % 3) / 4 + length / 8000), feedback=BAD, output=BAD)
        answer["trace"] = {"Inputs": {BAD[:300]: BAD}, BAD[:200]: BAD}
    print(json.dumps(answer), flush=True)
`;

const PROPOSER = `
import json, sys
BAD = json.loads(${JSON.stringify(JSON.stringify(HOSTILE))})
print(json.dumps({"proposer": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    text = request["candidate"]["words"] + chr(10) + str(request["iteration"]) + " " + BAD
    print(json.dumps({"id": request["id"], "texts": {"words": text}}), flush=True)
`;

const CONFIG = `
[run]
name = ${JSON.stringify(HOSTILE)}
[components]
words = "please"
[dataset]
path = "rows.jsonl"
id_column = "id"
answer = "answer"
[dataset.split]
train = { count = 12 }
pareto = { count = 12 }
validation = { count = 12 }
[evaluator]
kind = "process"
command = ["python3", "evaluator.py"]
[proposer]
kind = "process"
command = ["python3", "proposer.py"]
[budget]
max_rollouts = 200
[rollouts]
max_failure_fraction = 0.9
`;

/** Starts a program that prints an address, and returns the address. */
export async function serve(folder, variables, ...args) {
  const environment = { ...process.env, ...variables, GEPA_STORE: `sqlite://${join(folder, "gepa.db")}` };
  const child = spawn(GEPA, args, { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  const found = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        const address = line.match(/http:\/\/\S+/);
        if (address) resolve(address[0]);
      });
    }
    child.on("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}`)));
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { url: found, pid: child.pid, stop: () => child.kill("SIGINT"), kill };
}
