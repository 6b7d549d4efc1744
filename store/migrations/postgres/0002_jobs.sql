-- Jobs that have not ended. An engine takes one by claiming its run, so a job whose engine died is
-- free again when the claim expires. `note` is what the job waits for, for people.
CREATE TABLE jobs (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id   text COLLATE "C" NOT NULL UNIQUE,
    tenant   text COLLATE "C" NOT NULL,
    priority bigint NOT NULL,
    -- A paused run goes on when this is set.
    resume   boolean NOT NULL DEFAULT false,
    note     text NOT NULL DEFAULT ''
);

-- Requests for the engine that works on a run.
CREATE TABLE commands (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id  text COLLATE "C" NOT NULL,
    command text NOT NULL
);

-- What the runs of each tenant spent on each day, UTC.
CREATE TABLE spending (
    run_id         text COLLATE "C" NOT NULL,
    day            date NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    rollouts       bigint NOT NULL,
    tokens         bigint NOT NULL,
    cost_micro_usd bigint NOT NULL,
    PRIMARY KEY (run_id, day)
) WITH (fillfactor = 50);

CREATE INDEX spending_by_day ON spending (day, tenant);
