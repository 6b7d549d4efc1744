// The shapes of the resources, as server/src/dashboard/ writes them.

export type ExampleId = string | number;

export interface RunEntry {
  run_id: string;
  /** The end of its id that no other run has. */
  short: string;
  name: string;
  tags: string[];
  note: string;
  archived_at: string | null;
  status: string;
  is_claimed: boolean;
  /** How it stands, for people. */
  state: string;
  /** What goes on with it if it stopped before its end. */
  way_on: string | null;
  created_at: string;
  updated_at: string | null;
  finished_at: string | null;
  policy: string;
  baseline_score: number | null;
  best_score: number | null;
  baseline_validation_score: number | null;
  best_validation_score: number | null;
  trials_tried: number;
  candidates_accepted: number;
  front_size: number;
  total_rollouts: number;
  failed_rollouts: number;
  total_tokens: number;
  /** Of the calls with a known price. */
  total_cost_usd: number;
  unpriced_calls: number;
  total_time_seconds: number;
  stop_detail: string | null;
  interruption: string | null;
  seq: number;
}

export type Gate = [passed: boolean, compared: number, parent: number, child: number];

/** The candidates by column, in the order proposed. */
export interface CandidateTable {
  iteration: number[];
  candidate_id: string[];
  index: (number | null)[];
  origin: string[];
  parents: number[][];
  status: string[];
  close_reason: (string | null)[];
  gate: (Gate | null)[];
  score: (number | null)[];
  mean_score: (number | null)[];
  scored: number[];
  validation_score: (number | null)[];
  tokens: number[];
  seconds: number[];
}

export interface Point {
  tag: string;
  index: number;
  score: number;
  best: number;
  best_score: number | null;
  rollouts: number;
  tokens: number;
  cost_usd: number;
  iterations: number;
  seconds: number;
  token_count: number;
}

export interface StageSum {
  stage: string;
  phase: string;
  trials: number;
  executed: number;
  reused: number;
  failed: number;
  tokens: number;
  cost_usd: number;
  unpriced_calls: number;
}

export interface ReflectionRow {
  seq: number;
  iteration: number;
  component: string;
  attempt: number;
  failure: string | null;
  error: string | null;
  prompt_tokens: number;
  completion_tokens: number;
  tokens: number;
  /** Null if it is unknown. */
  cost_usd: number | null;
  seconds: number;
}

/** What a person did; `at` in microseconds. */
export interface Act {
  seq: number;
  at: number;
  act: string;
  what: string;
  who?: string;
  why?: string;
}

export interface View {
  acts: Act[];
  excluded: ExampleId[];
  vetoed: number[];
  hint: string;
  run: RunEntry;
  stats: Record<string, unknown>;
  limits: Record<string, unknown> | null;
  origin: { run: string; iteration: number } | null;
  /** Number and words of each way in which proposals ended. */
  ending_parts: [number, string][] | null;
  endings: { accepted: number; closed?: Record<string, number> } | null;
  best: number | null;
  config: unknown;
  sets: { pareto: ExampleId[]; validation: ExampleId[] };
  front: number[];
  validated: { index: number; rank: number | null; mean_score: number | null; scores: (number | null)[] }[];
  candidates: CandidateTable;
  closed: { iteration: number; parent: number | null; examples: number }[];
  stages: StageSum[];
  curve: Point[];
  reflections: ReflectionRow[];
}

export interface RolloutRow {
  seq: number;
  seed: ExampleId;
  iteration: number;
  stage: string;
  attempts: number;
  score: number | null;
  outcome: string;
  prompt_tokens: number;
  completion_tokens: number;
  tokens: number;
  /** Null if it is unknown. */
  cost_usd: number | null;
  seconds: number;
}

export interface Candidate {
  candidate: {
    iteration: number;
    index: number | null;
    candidate_id: string;
    origin: string;
    status: string;
    close_reason: string | null;
    score: number | null;
    mean_score: number | null;
    validation_score: number | null;
    gate: { passed: boolean; compared: number; parent_sum: number; child_sum: number } | null;
    scores: (number | null)[] | null;
    validation_scores: (number | null)[] | null;
    objectives: Record<string, number>;
    parents: number[];
    created_at: string;
    components: Record<string, string>;
  };
  rollouts: RolloutRow[];
  minibatch: ExampleId[] | null;
  children: number[];
}

export interface Cause {
  seed: ExampleId;
  score: number | null;
  child_score: number | null;
  seq: number | null;
  feedback: string | null;
}

export interface Blame {
  lines: {
    component: string;
    number: number;
    text: string;
    birth: number;
    replaced: string | null;
    examples: ExampleId[];
    kept: number;
    lost: number;
  }[];
  births: Record<
    string,
    {
      index: number | null;
      origin: string;
      parents: number[];
      gate: { passed: boolean; compared: number; parent_sum: number; child_sum: number } | null;
      mean_score: number | null;
      parent_score: number | null;
      reflections: number[];
      examples: Cause[];
    }
  >;
}

export interface Failures {
  total: number;
  rollouts: number;
  groups: {
    kind: string;
    message: string;
    count: number;
    stages: Record<string, number>;
    examples: [ExampleId, number][];
    distinct_examples: number;
    seqs: number[];
  }[];
  examples: [ExampleId, number][];
  distinct_examples: number;
}

export interface Interval {
  mean: number;
  low: number;
  high: number;
}

/** What `gepa ablate --json` writes. */
export interface Ablation {
  margin: number;
  confidence: number;
  race_examples: number;
  check_is_held_out: boolean;
  tokens: number;
  executed: number;
  parts: { component: string; text: string; tokens: number; finding: string; difference: Interval | null; examples: number }[];
  tried_together: boolean | null;
  shorter: {
    components: Record<string, string>;
    removed: number[];
    tokens: number;
    difference: Interval | null;
    examples: number;
    is_proposed: boolean;
    is_within_margin: boolean;
  } | null;
}

export interface AblationEvent {
  kind: "ablation";
  seq: number;
  at: string;
  ablation: { candidate: string; index?: number; report: Ablation; by?: { who?: string } };
}

/** How an ablation of a run stands. */
export interface AblationState {
  state: string;
  iteration?: number;
  max_rollouts?: number;
  executed?: number;
  now?: { label: string; run_id: string; examples: number } | null;
  decided?: { label: string; finding: string; examples: number }[];
  note?: string | null;
  began_at?: string | null;
  error?: string | null;
  seq?: number | null;
}

/** One step of a run's time of work, as `gepa export --what slots` has it. */
export interface SlotStep {
  from_seconds: number;
  to_seconds: number;
  started_at: string;
  optimization: number;
  validation: number;
  reflection: number;
  ended: number;
  retries: number;
  failed: number;
  paused_seconds: number | null;
  stopped_seconds: number | null;
  limits: { provider: string; allowed: number; refused: number; closed: boolean }[] | null;
  /** Why no limit was recorded. */
  limits_missing: string | null;
}

export interface Slots {
  slots: { rollouts: number | null; reflections: number | null };
  has_rests: boolean;
  steps: SlotStep[];
}

/** Scores of candidates (columns, by iteration) on examples (rows). */
export interface Matrix {
  examples: ExampleId[];
  iterations: number[];
  states: string[];
  scores: Float32Array;
  seqs: Uint32Array;
  state: Uint8Array;
}

/** Two candidates on the same examples. */
export interface Comparison {
  examples: number;
  before: number;
  after: number;
  difference: { mean: number; low: number; high: number; confidence?: number };
  won: number;
  lost: number;
  p_better: number;
}

export interface Verdict {
  word: string;
  details: string[];
  verdict: { verdict: string; sentence: string };
}
