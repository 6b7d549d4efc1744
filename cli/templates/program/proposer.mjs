// Writes new texts from what the examples showed, in the place of a language model.

import readline from "node:readline";

function rewrite(text, records) {
  const words = new Set(text.split(/\s+/));
  for (const { feedback = "" } of records) {
    const add = feedback.match(/A word to add: `(.+?)`/);
    const remove = feedback.match(/A word to remove: `(.+?)`/);
    if (add) words.add(add[1]);
    if (remove) words.delete(remove[1]);
  }
  return [...words].join("\n") || "help";
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
