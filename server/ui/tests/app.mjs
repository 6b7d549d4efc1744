// A task app and its model in one server: enough for a job that runs while a test looks at it.
import { createServer } from "node:http";

const LATENCY = 15;

/**
 * Starts it; jobs must find its model under `GEPA_PROVIDER_BASE_URL`. The model refuses calls beyond so
 * many at once.
 */
export async function startApp(mostAtOnce = Infinity) {
  let texts = 0;
  let calls = 0;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const answer = (value) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (request.method === "GET") return answer({ status: "healthy", task: {} });
    const sent = JSON.parse(body);
    const isCall = request.url.includes("chat/completions");
    if (isCall && calls >= mostAtOnce) {
      return response.writeHead(429, { "content-type": "application/json" }).end('{"error":{"message":"too many requests"}}');
    }
    if (isCall) calls++;
    await new Promise((done) => setTimeout(done, LATENCY));
    if (isCall) {
      calls--;
      const asked = JSON.stringify(sent.messages);
      const content = asked.includes("```") ? `\`\`\`\nAnswer well, version ${++texts}.\n\`\`\`` : "an answer";
      return answer({
        id: "1",
        object: "chat.completion",
        model: "m",
        choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }],
        usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 },
      });
    }
    const { seed } = sent.env;
    const [path, query] = sent.policy.config.inference_url.split("?");
    const messages = [
      { role: "system", content: "Answer the question." },
      { role: "user", content: `Question ${seed}` },
    ];
    const call = fetch(`${path}/chat/completions?${query ?? ""}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "m", messages }) });
    // A test may kill the engine in the middle of a call.
    if ((await call.catch(() => null)) === null) return response.destroy();
    const reward = ((seed * 7 + texts * 3) % 10) / 10;
    return answer({ run_id: sent.run_id, trace_correlation_id: sent.trace_correlation_id, trajectories: [], metrics: { outcome_reward: reward, episode_returns: [reward], mean_return: reward, num_steps: 1 } });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, stop: () => server.close() };
}

/** A job on it that is not over before a test has looked at it. */
export function submission(url) {
  const seeds = (from, count) => Array.from({ length: count }, (_, place) => from + place);
  return {
    algorithm: "gepa",
    config_body: {
      run: { name: "live job" },
      evaluator: { kind: "task_app", url, env_name: "questions" },
      examples: { train: seeds(0, 10), pareto: seeds(10, 20), validation: seeds(30, 10) },
      prompt: { messages: [{ role: "system", component: "system", pattern: "Answer the question." }, { role: "user", component: "user", pattern: "Question {number}" }] },
      policy: { provider: "openai", model: "m" },
      reflection_model: { provider: "openai", model: "m" },
      budget: { max_rollouts: 100000 },
    },
  };
}
