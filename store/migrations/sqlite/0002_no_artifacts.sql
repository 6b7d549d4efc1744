-- Artifacts repeated what snapshots say, and nothing read them.
DROP TABLE artifacts;
