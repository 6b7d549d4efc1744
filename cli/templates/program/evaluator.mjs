// Runs the candidate on one example. Replace `evaluate`; the rest speaks with gepa: a line in, a line out.

import readline from "node:readline";

/** Score from 0 to 1, the reason in words, and what the program answered. */
function evaluate(words, text, expected) {
  const found = text.split(" ").filter((word) => words.includes(word));
  const answer = found.length > 0 ? "urgent" : "normal";
  if (answer === expected) {
    return [1, "The answer is right.", answer];
  }
  if (found.length > 0) {
    return [0, `The expected answer is \`${expected}\`. A word to remove: \`${found[0]}\`.`, answer];
  }
  const longest = text.split(" ").reduce((one, other) => (other.length > one.length ? other : one));
  return [0, `The expected answer is \`${expected}\`. A word to add: \`${longest}\`.`, answer];
}

console.log(JSON.stringify({ protocol: 1 }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, candidate, fields, expected } = JSON.parse(line);
  const [score, feedback, output] = evaluate(candidate.words.split(/\s+/), fields.text, expected);
  console.log(JSON.stringify({ id, score, feedback, output }));
}
