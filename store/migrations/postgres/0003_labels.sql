-- What people wrote beside runs. `tags` is a list of texts. The name of a run is in its row.
CREATE TABLE labels (
    run_id      text COLLATE "C" PRIMARY KEY,
    tags        text NOT NULL,
    note        text NOT NULL,
    archived_at bigint
);

-- Finds out whether another run has a text when a run is deleted.
CREATE INDEX candidates_by_text ON candidates (candidate_id);
