-- What people wrote beside runs. `tags` is a list of texts. The name of a run is in its row.
CREATE TABLE labels (
    run_id      TEXT PRIMARY KEY REFERENCES runs (run_id),
    tags        TEXT NOT NULL,
    note        TEXT NOT NULL,
    archived_at INTEGER
) STRICT, WITHOUT ROWID;

-- Finds out whether another run has a text when a run is deleted.
CREATE INDEX candidates_by_text ON candidates (candidate_id);
