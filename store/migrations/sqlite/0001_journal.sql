-- The journal, and the tables derived from it. Times are microseconds since the Unix epoch.
-- Lists, maps and objects are JSON. A token or cost column is the sum over all purposes of its row.

CREATE TABLE runs (
    id              INTEGER PRIMARY KEY,
    run_id          TEXT NOT NULL UNIQUE,
    format          INTEGER NOT NULL,
    name            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    policy_provider TEXT NOT NULL,
    policy_model    TEXT NOT NULL,
    config          TEXT NOT NULL,
    template        TEXT NOT NULL,
    pareto          TEXT NOT NULL,
    validation      TEXT NOT NULL,
    summary         TEXT NOT NULL,
    status          TEXT GENERATED ALWAYS AS (summary ->> '$.status') VIRTUAL,
    best_score      REAL GENERATED ALWAYS AS (summary ->> '$.best_score') VIRTUAL
) STRICT;

-- The key of events and rollouts is runs.id * 2^40 + seq: both tables only grow at the end of a run.
-- They have no foreign key: the writer looks the run up once per batch.
CREATE TABLE events (
    id     INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    body   TEXT NOT NULL
) STRICT;

-- The texts of candidates. Each text is stored once, for all runs that tried it.
CREATE TABLE texts (
    candidate_id TEXT PRIMARY KEY,
    components   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE candidates (
    id                INTEGER PRIMARY KEY,
    run_id            TEXT NOT NULL REFERENCES runs (run_id),
    iteration         INTEGER NOT NULL,
    candidate_id      TEXT NOT NULL REFERENCES texts (candidate_id),
    archive_index     INTEGER,
    origin            TEXT NOT NULL,
    parents           TEXT NOT NULL,
    status            TEXT NOT NULL,
    close_reason      TEXT,
    gate_passed       INTEGER,
    gate_compared     INTEGER,
    gate_parent_sum   REAL,
    gate_child_sum    REAL,
    mean_score        REAL,
    scores            TEXT,
    objectives        TEXT NOT NULL,
    validation_score  REAL,
    validation_scores TEXT,
    accepted_seq      INTEGER,
    evicted_seq       INTEGER,
    created_at        INTEGER NOT NULL,
    UNIQUE (run_id, iteration)
) STRICT;

CREATE UNIQUE INDEX candidates_by_index ON candidates (run_id, archive_index)
    WHERE archive_index IS NOT NULL;

CREATE TABLE trials (
    id                INTEGER PRIMARY KEY,
    run_id            TEXT NOT NULL REFERENCES runs (run_id),
    iteration         INTEGER NOT NULL,
    trial_index       INTEGER NOT NULL,
    candidate_id      TEXT NOT NULL,
    phase             TEXT NOT NULL,
    stage             TEXT NOT NULL,
    seeds             TEXT NOT NULL,
    reused            INTEGER NOT NULL,
    scored            INTEGER,
    failed            INTEGER,
    mean_score        REAL,
    executed          INTEGER NOT NULL,
    calls             INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens     INTEGER NOT NULL,
    unknown_tokens    INTEGER NOT NULL,
    cost_micro_usd    INTEGER NOT NULL,
    unpriced_calls    INTEGER NOT NULL,
    started_at        INTEGER NOT NULL,
    finished_at       INTEGER,
    UNIQUE (run_id, iteration, trial_index)
) STRICT;

-- `seed` is the example: an integer or a name. The judge's share of each sum has its own columns.
CREATE TABLE rollouts (
    id                      INTEGER PRIMARY KEY,
    run_id                  TEXT NOT NULL,
    seq                     INTEGER NOT NULL,
    iteration               INTEGER NOT NULL,
    trial_index             INTEGER NOT NULL,
    position                INTEGER NOT NULL,
    candidate_id            TEXT NOT NULL,
    phase                   TEXT NOT NULL,
    stage                   TEXT NOT NULL,
    seed                    ANY NOT NULL,
    attempts                INTEGER NOT NULL,
    outcome                 TEXT NOT NULL,
    score                   REAL,
    error                   TEXT,
    calls                   INTEGER NOT NULL,
    prompt_tokens           INTEGER NOT NULL,
    completion_tokens       INTEGER NOT NULL,
    cached_tokens           INTEGER NOT NULL,
    unknown_tokens          INTEGER NOT NULL,
    cost_micro_usd          INTEGER NOT NULL,
    unpriced_calls          INTEGER NOT NULL,
    judge_calls             INTEGER NOT NULL,
    judge_prompt_tokens     INTEGER NOT NULL,
    judge_completion_tokens INTEGER NOT NULL,
    judge_cached_tokens     INTEGER NOT NULL,
    judge_unknown_tokens    INTEGER NOT NULL,
    judge_cost_micro_usd    INTEGER NOT NULL,
    judge_unpriced_calls    INTEGER NOT NULL,
    started_at              INTEGER NOT NULL,
    finished_at             INTEGER NOT NULL
) STRICT;

-- Finds failed rollouts, since only these can be tried again.
CREATE UNIQUE INDEX failed_rollouts ON rollouts (run_id, iteration, trial_index, position)
    WHERE outcome <> 'scored';

-- Rollouts with the columns of exports.
CREATE VIEW exported_rollouts AS
SELECT run_id, run_id || '-' || iteration || '-' || trial_index AS trial_id, candidate_id, phase,
       stage, iteration, trial_index, seed, attempts, outcome, score, error, prompt_tokens,
       completion_tokens, unknown_tokens,
       prompt_tokens + completion_tokens + unknown_tokens AS tokens,
       cost_micro_usd / 1e6 AS cost_usd, started_at, finished_at
FROM rollouts;

CREATE TABLE reflections (
    run_id            TEXT NOT NULL REFERENCES runs (run_id),
    seq               INTEGER NOT NULL,
    iteration         INTEGER NOT NULL,
    component         TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    failure           TEXT,
    error             TEXT,
    calls             INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens     INTEGER NOT NULL,
    unknown_tokens    INTEGER NOT NULL,
    cost_micro_usd    INTEGER NOT NULL,
    unpriced_calls    INTEGER NOT NULL,
    started_at        INTEGER NOT NULL,
    finished_at       INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

-- Texts and scores are not stored here: a snapshot names candidates, and is rendered when it is read.
CREATE TABLE snapshots (
    id          INTEGER PRIMARY KEY,
    run_id      TEXT NOT NULL REFERENCES runs (run_id),
    snapshot_id TEXT NOT NULL,
    ordinal     INTEGER NOT NULL,
    tag         TEXT NOT NULL,
    best        INTEGER NOT NULL,
    subject     INTEGER NOT NULL,
    score       REAL NOT NULL,
    token_count INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    counters    TEXT NOT NULL,
    validation  TEXT NOT NULL,
    UNIQUE (run_id, ordinal)
) STRICT;

CREATE TABLE artifacts (
    id           INTEGER PRIMARY KEY,
    run_id       TEXT NOT NULL REFERENCES runs (run_id),
    snapshot_id  TEXT NOT NULL,
    label        TEXT NOT NULL,
    candidate    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    UNIQUE (run_id, snapshot_id, label)
) STRICT;

-- Tokens and cost by phase and purpose. It is a view, so it cannot differ from the rows that it sums.
CREATE VIEW usage AS
SELECT run_id, phase, 'rollout' AS purpose,
       SUM(calls - judge_calls) AS calls,
       SUM(prompt_tokens - judge_prompt_tokens) AS prompt_tokens,
       SUM(completion_tokens - judge_completion_tokens) AS completion_tokens,
       SUM(cached_tokens - judge_cached_tokens) AS cached_tokens,
       SUM(unknown_tokens - judge_unknown_tokens) AS unknown_tokens,
       SUM(cost_micro_usd - judge_cost_micro_usd) AS cost_micro_usd,
       SUM(unpriced_calls - judge_unpriced_calls) AS unpriced_calls
FROM rollouts GROUP BY run_id, phase
UNION ALL
SELECT run_id, 'optimization', 'reflection', SUM(calls), SUM(prompt_tokens),
       SUM(completion_tokens), SUM(cached_tokens), SUM(unknown_tokens), SUM(cost_micro_usd),
       SUM(unpriced_calls)
FROM reflections GROUP BY run_id
UNION ALL
SELECT run_id, phase, 'judge', SUM(judge_calls), SUM(judge_prompt_tokens),
       SUM(judge_completion_tokens), SUM(judge_cached_tokens), SUM(judge_unknown_tokens),
       SUM(judge_cost_micro_usd), SUM(judge_unpriced_calls)
FROM rollouts GROUP BY run_id, phase;
