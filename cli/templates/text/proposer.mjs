// Writes new texts from what the examples showed, in the place of a language model.

import readline from "node:readline";

function rewrite(text, records) {
  const said = records.map(({ feedback = "" }) => feedback).join(" ");
  const lines = text.trim().split(/\s+/).map((line) => {
    const [name, number] = line.split("=");
    let value = Number(number);
    if (said.includes(`${name} is too low`)) value += 1 + Math.floor(value / 4);
    else if (said.includes(`${name} is too high`)) value -= 1;
    return `${name}=${Math.max(value, 1)}`;
  });
  return lines.join("\n");
}

console.log(JSON.stringify({ proposer: 1 }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, candidate, components } = JSON.parse(line);
  const texts = {};
  for (const [name, { records }] of Object.entries(components)) {
    texts[name] = rewrite(candidate[name], records);
  }
  console.log(JSON.stringify({ id, texts }));
}
