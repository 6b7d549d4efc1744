// Scores answers. Replace `score`; the rest speaks with gepa: one line of JSON in, one line out.

import readline from "node:readline";

/** From 0 to 1, and the reason in words. */
function score(output, expected) {
  if (output.trim().toLowerCase() === expected.trim().toLowerCase()) {
    return [1, `The answer is right: \`${expected}\`.`];
  }
  return [0, `The answer was \`${output}\`. The expected answer is \`${expected}\`.`];
}

console.log(JSON.stringify({ protocol: 1 }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, output, expected } = JSON.parse(line);
  const [value, feedback] = score(output, expected);
  console.log(JSON.stringify({ id, score: value, feedback }));
}
