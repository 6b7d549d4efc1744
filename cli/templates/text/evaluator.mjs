// Measures the candidate. Replace `measure`; the rest speaks with gepa: one line of JSON in, one line out.

import readline from "node:readline";

/** Score from 0 to 1, and the reason in words. Here: how near the settings are to what the load needs. */
function measure(settings, load) {
  const needed = { workers: 6 + (load % 3), batch: 16 + (load % 5) };
  let score = 0;
  const reasons = [];
  for (const [name, best] of Object.entries(needed)) {
    const value = Math.max(settings.get(name) ?? 1, 1);
    score += Math.min(value, best) / Math.max(value, best) / 2;
    if (value !== best) reasons.push(`${name} is too ${value < best ? "low" : "high"}.`);
  }
  return { score, feedback: reasons.join(" ") || "All settings fit." };
}

function settingsOf(text) {
  const pairs = text.trim().split(/\s+/).map((line) => line.split("="));
  return new Map(pairs.map(([name, value]) => [name, Number(value)]));
}

console.log(JSON.stringify({ protocol: 1 }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, candidate, example } = JSON.parse(line);
  const settings = settingsOf(candidate.settings);
  const reply = [...settings.values()].every(Number.isInteger)
    ? measure(settings, example)
    : { score: 0, feedback: "Each line must be NAME=NUMBER." };
  console.log(JSON.stringify({ id, ...reply }));
}
