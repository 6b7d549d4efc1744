"""How often `gepa ablate` finds the lines that matter, and `gepa blame` where a line comes from.

Usage: python3 bench/planted.py [ablation|blame|both] [WORLDS]     GEPA=path/to/gepa, by default target/release/gepa

Each world is a data set of texts and a prompt of rules for the rulebook policy, made from its number alone. For the
ablation a world has lines that decide some of the answers, lines that decide none, and sometimes a line twice. For
the blame a program in place of the reflection model adds rules for the failures it is shown, and writes down which
examples each rule came from. Both sides are printed in one run: what was planted, and what was found.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GEPA = os.environ.get("GEPA", str(HERE.parent / "target/release/gepa"))
FILLER = (
    "the of and to in for with on at from by about into over after under between river table garden window letter "
    "music paper market winter summer travel engine planet forest kitchen village picture morning"
).split()
CUES = "amber basalt cobalt damask ebony falcon garnet hazel indigo jasper kestrel lagoon meadow nickel onyx".split()
LABELS = ["red", "green", "blue", "grey"]
NOISE = [
    "Take your time and read every word of the text.",
    "The texts were written by people of many countries.",
    "A good answer is short.",
    "Texts can be long or short, and both are fine.",
    "Never answer with a whole sentence.",
    "Think of the reader who needs the answer.",
]
CONFIG = """[run]
name = "planted"
seed = {seed}
max_concurrent = 8

[dataset]
path = "rows.jsonl"
id_column = "id"

[dataset.split]
train = {{ count = {train} }}
pareto = {{ count = {pareto} }}
validation = {{ count = {validation} }}

[[prompt.messages]]
role = "system"
component = "instruction"
pattern = {prompt}

[[prompt.messages]]
role = "user"
pattern = "text: {{text}}"

[scorer]
kind = "exact"

[policy]
provider = "rulebook"
model = "rulebook"
{more}"""
PROPOSER = '''
import json, re, sys
CUES = set({cues!r})
print(json.dumps({{"proposer": 1}}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    (name, component), = request["components"].items()
    text = request["candidate"][name]
    failed = {{}}
    for record in component["records"]:
        expected = re.search(r"`([a-z]+)`", record.get("feedback") or "")
        words = re.findall("[a-z]+", json.dumps(record["shown"].get("Inputs", "")))
        for cue in sorted(CUES & set(words)):
            if record["score"] < 1 and expected:
                failed.setdefault((cue, expected.group(1)), []).append(record["example"])
    new = []
    for (cue, label), examples in sorted(failed.items())[:2]:
        rule = f'- If the text contains "{{cue}}", answer `{{label}}`.'
        if rule not in text:
            new.append(rule)
            with open("log.jsonl", "a") as log:
                log.write(json.dumps({{"iteration": request["iteration"], "line": rule, "examples": examples}}) + "\\n")
    lines = text.split("\\n")
    # Rules go in front of those before them, so that no line keeps its number.
    place = next((at for at, one in enumerate(lines) if one.startswith("-")), len(lines))
    text = "\\n".join(lines[:place] + new + lines[place:]) if new else text + "\\nRead on."
    print(json.dumps({{"id": request["id"], "texts": {{name: text}}}}), flush=True)
'''


def gepa(folder, *arguments):
    done = subprocess.run([GEPA, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"gepa {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def rule(cue, label):
    return f'- If the text contains "{cue}", answer `{label}`.'


def rows(draw, shares, count, mislabelled):
    """Texts with at most one cue each; the cue gives the label, and the first label is that of the rest."""
    made = []
    for number in range(count):
        words = draw.choices(FILLER, k=draw.randint(6, 12))
        at, label = draw.random(), LABELS[0]
        for cue, (share, of_cue) in shares.items():
            if at < share:
                words.insert(draw.randrange(len(words)), cue)
                label = of_cue
                break
            at -= share
        if draw.random() < mislabelled:
            label = draw.choice(LABELS)
        made.append({"id": f"t{number}", "text": " ".join(words), "answer": label})
    return made


def world_folder(root, name, made, config):
    folder = root / name
    folder.mkdir()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    (folder / "config.toml").write_text(config)
    return folder


def ablation(root, number):
    draw = random.Random(f"ablation {number}")
    cues = draw.sample(CUES, len(CUES))
    needed = draw.randint(2, 4)
    # At most 3/4 of the texts have a cue, so the line that names the first label decides some answers too.
    shares = {cue: (draw.uniform(0.12, 0.18), draw.choice(LABELS[1:])) for cue in cues[:needed]}
    matter = [f"Answer {' or '.join(f'`{label}`' for label in LABELS)}."]
    matter += [rule(cue, label) for cue, (_, label) in shares.items()]
    idle = draw.sample(NOISE, draw.randint(2, 4))
    idle += [rule(cue, draw.choice(LABELS)) for cue in cues[needed : needed + draw.randint(1, 4)]]
    twice = draw.sample(matter[1:], 1) if number % 3 == 0 else []
    rest = matter[1:] + idle + twice
    draw.shuffle(rest)
    prompt = "\n".join([matter[0], *rest])
    more = "\n[budget]\nmax_iterations = 1\n"
    sizes = {"train": 100, "pareto": 100, "validation": 60}
    config = CONFIG.format(seed=number, prompt=json.dumps(prompt), more=more, **sizes)
    folder = world_folder(root, f"ablation{number}", rows(draw, shares, 260, 0.05), config)
    gepa(folder, "run", "config.toml")
    gepa(folder, "ablate", "latest", "baseline", "--max-rollouts", "6000", "--json", "found.json")
    found = json.loads((folder / "found.json").read_text())
    shorter = found["shorter"]
    text = shorter["components"]["instruction"] if shorter and shorter["is_proposed"] else prompt
    is_minimal = sorted(text.split("\n")) == sorted(matter)
    lines = 1 + len(rest)
    print(
        f"world {number:2}: planted {len(matter)} of {lines} lines{' (one twice)' if twice else ''}; "
        f"kept {len(text.splitlines())}, {'minimal' if is_minimal else 'NOT minimal'}; {found['executed']} rollouts, "
        f"{found['executed'] / (lines * found['race_examples']):.2f} of those without racing"
    )
    return is_minimal


def blame(root, number):
    draw = random.Random(f"blame {number}")
    cues = draw.sample(CUES, 8)
    shares = {cue: (0.1, draw.choice(LABELS[1:])) for cue in cues}
    more = '\n[proposer]\nkind = "process"\ncommand = ["python3", "proposer.py"]\n\n[budget]\nmax_rollouts = 3000\n'
    prompt = f"Answer {' or '.join(f'`{label}`' for label in LABELS)}."
    sizes = {"train": 60, "pareto": 60, "validation": 40}
    config = CONFIG.format(seed=number, prompt=json.dumps(prompt), more=more, **sizes)
    folder = world_folder(root, f"blame{number}", rows(draw, shares, 160, 0.0), config)
    (folder / "proposer.py").write_text(PROPOSER.format(cues=CUES))
    gepa(folder, "run", "config.toml")
    found = json.loads(gepa(folder, "blame", "latest", "--format", "json"))
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    planted = {}
    for entry in log:
        planted.setdefault(entry["line"], {})[entry["iteration"]] = entry["examples"]
    of_candidates = {}
    for line in gepa(folder, "export", "latest", "--what", "candidates").splitlines():
        row = json.loads(line)
        of_candidates[row["iteration"]] = row
    total = right_iteration = right_examples = 0
    for line in found["lines"]:
        if line["text"] not in planted:
            continue
        total += 1
        # The program was asked in this iteration, and answered with this line.
        examples = planted[line["text"]].get(line["birth"])
        right_iteration += examples is not None and line["birth"] in of_candidates
        right_examples += examples is not None and set(map(str, line["examples"])) == set(map(str, examples))
    print(
        f"world {number:2}: {total} planted rules in the best prompt; traced to the right iteration "
        f"{right_iteration}, to exactly the right examples {right_examples}"
    )
    return total, right_iteration, right_examples


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "both"
    worlds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        if what in ("ablation", "both"):
            minimal = sum(ablation(root, number) for number in range(worlds))
            print(f"ablation: the minimal set in {minimal} of {worlds} worlds")
        if what in ("blame", "both"):
            sums = [sum(column) for column in zip(*(blame(root, number) for number in range(worlds)))]
            print(
                f"blame: of {sums[0]} planted rules {sums[1]} traced to the right iteration "
                f"({sums[1] / sums[0]:.1%}), {sums[2]} to exactly the right examples ({sums[2] / sums[0]:.1%})"
            )


if __name__ == "__main__":
    main()
