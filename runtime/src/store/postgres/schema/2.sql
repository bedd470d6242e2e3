-- What programs that were suspended have left for their next attempt; a row whose task has ended is swept.
CREATE TABLE @.checkpoint(
  id uuid NOT NULL,
  saved int8 NOT NULL,
  bytes bytea NOT NULL,
  CONSTRAINT checkpoint_id PRIMARY KEY (id)
) WITH (autovacuum_vacuum_threshold = 100, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_threshold = 1000, toast.autovacuum_vacuum_cost_delay = 0);

-- Running tasks that somebody wants suspended; nearly always empty.
CREATE TABLE @.suspend(id uuid NOT NULL, CONSTRAINT suspend_id PRIMARY KEY (id));
