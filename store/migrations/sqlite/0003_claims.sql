-- Who writes a run, and under which claim: an append shows the number, and a stale one is refused.
ALTER TABLE runs ADD COLUMN claim_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN claim_owner TEXT NOT NULL DEFAULT '';
