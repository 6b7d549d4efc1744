-- The journal, and the tables derived from it. Times are microseconds since the Unix epoch.
-- Lists, maps and objects are JSON as text: a journal is read back byte by byte, and jsonb would
-- reorder keys and refuse U+0000. In texts that are not JSON the character U+0000, which PostgreSQL
-- cannot hold, is written as U+0001 `0`, and U+0001 as U+0001 `1`.

-- An integer, or a name as a JSON string.
CREATE DOMAIN integer_or_name AS text COLLATE "C";

CREATE TABLE runs (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          text COLLATE "C" NOT NULL UNIQUE,
    format          bigint NOT NULL,
    name            text NOT NULL,
    created_at      bigint NOT NULL,
    policy_provider text NOT NULL,
    policy_model    text NOT NULL,
    config          text NOT NULL,
    template        text NOT NULL,
    pareto          text NOT NULL,
    validation      text NOT NULL,
    summary         text NOT NULL,
    status          text NOT NULL DEFAULT 'queued'
) WITH (fillfactor = 50);

-- Who writes a run, and until when the claim holds in the time of the database. A claim has a
-- greater token than the claims before it; an append names the token.
CREATE TABLE claims (
    run_id text COLLATE "C" PRIMARY KEY,
    token  bigint NOT NULL DEFAULT 0,
    owner  text NOT NULL DEFAULT '',
    until  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

CREATE TABLE events (
    run_id text COLLATE "C" NOT NULL,
    seq    bigint NOT NULL,
    at     bigint NOT NULL,
    kind   text NOT NULL,
    body   text NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- The texts of candidates. Each text is stored once, for all runs that tried it.
CREATE TABLE texts (
    candidate_id text COLLATE "C" PRIMARY KEY,
    components   text NOT NULL
);

CREATE TABLE candidates (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id            text COLLATE "C" NOT NULL,
    iteration         bigint NOT NULL,
    candidate_id      text COLLATE "C" NOT NULL,
    archive_index     bigint,
    origin            text NOT NULL,
    parents           text NOT NULL,
    status            text NOT NULL,
    close_reason      text,
    gate_passed       bigint,
    gate_compared     bigint,
    gate_parent_sum   double precision,
    gate_child_sum    double precision,
    mean_score        double precision,
    scores            text,
    objectives        text NOT NULL,
    validation_score  double precision,
    validation_scores text,
    accepted_seq      bigint,
    evicted_seq       bigint,
    created_at        bigint NOT NULL,
    UNIQUE (run_id, iteration)
);

CREATE UNIQUE INDEX candidates_by_index ON candidates (run_id, archive_index)
    WHERE archive_index IS NOT NULL;

CREATE TABLE trials (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id            text COLLATE "C" NOT NULL,
    iteration         bigint NOT NULL,
    trial_index       bigint NOT NULL,
    candidate_id      text COLLATE "C" NOT NULL,
    phase             text NOT NULL,
    stage             text NOT NULL,
    seeds             text NOT NULL,
    reused            bigint NOT NULL,
    scored            bigint,
    failed            bigint,
    mean_score        double precision,
    executed          bigint NOT NULL,
    calls             bigint NOT NULL,
    prompt_tokens     bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cached_tokens     bigint NOT NULL,
    unknown_tokens    bigint NOT NULL,
    cost_micro_usd    bigint NOT NULL,
    unpriced_calls    bigint NOT NULL,
    started_at        bigint NOT NULL,
    finished_at       bigint,
    UNIQUE (run_id, iteration, trial_index)
);

-- `seed` is the example. The judge's share of each sum has its own columns.
CREATE TABLE rollouts (
    run_id                  text COLLATE "C" NOT NULL,
    seq                     bigint NOT NULL,
    iteration               bigint NOT NULL,
    trial_index             bigint NOT NULL,
    position                bigint NOT NULL,
    candidate_id            text COLLATE "C" NOT NULL,
    phase                   text NOT NULL,
    stage                   text NOT NULL,
    seed                    integer_or_name NOT NULL,
    attempts                bigint NOT NULL,
    outcome                 text NOT NULL,
    score                   double precision,
    error                   text,
    calls                   bigint NOT NULL,
    prompt_tokens           bigint NOT NULL,
    completion_tokens       bigint NOT NULL,
    cached_tokens           bigint NOT NULL,
    unknown_tokens          bigint NOT NULL,
    cost_micro_usd          bigint NOT NULL,
    unpriced_calls          bigint NOT NULL,
    judge_calls             bigint NOT NULL,
    judge_prompt_tokens     bigint NOT NULL,
    judge_completion_tokens bigint NOT NULL,
    judge_cached_tokens     bigint NOT NULL,
    judge_unknown_tokens    bigint NOT NULL,
    judge_cost_micro_usd    bigint NOT NULL,
    judge_unpriced_calls    bigint NOT NULL,
    started_at              bigint NOT NULL,
    finished_at             bigint NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- Finds failed rollouts, since only these can be tried again.
CREATE UNIQUE INDEX failed_rollouts ON rollouts (run_id, iteration, trial_index, position)
    WHERE outcome <> 'scored';

CREATE TABLE reflections (
    run_id            text COLLATE "C" NOT NULL,
    seq               bigint NOT NULL,
    iteration         bigint NOT NULL,
    component         text NOT NULL,
    attempt           bigint NOT NULL,
    failure           text,
    error             text,
    calls             bigint NOT NULL,
    prompt_tokens     bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cached_tokens     bigint NOT NULL,
    unknown_tokens    bigint NOT NULL,
    cost_micro_usd    bigint NOT NULL,
    unpriced_calls    bigint NOT NULL,
    started_at        bigint NOT NULL,
    finished_at       bigint NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- Texts and scores are not stored here: a snapshot names candidates, and is rendered when it is read.
CREATE TABLE snapshots (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      text COLLATE "C" NOT NULL,
    snapshot_id text COLLATE "C" NOT NULL,
    ordinal     bigint NOT NULL,
    tag         text NOT NULL,
    best        bigint NOT NULL,
    subject     bigint NOT NULL,
    score       double precision NOT NULL,
    token_count bigint NOT NULL,
    created_at  bigint NOT NULL,
    seq         bigint NOT NULL,
    counters    text NOT NULL,
    validation  text NOT NULL,
    UNIQUE (run_id, ordinal)
);
