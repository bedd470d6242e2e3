-- Hot: unfinished tasks alone. Times are microseconds since 1970 UTC. A place is where a waiting task is looked for: 0 ready,
-- 1 scheduled, 3 held (as in TaskState), and 7 for a ready task that came back, which may be more urgent than what was claimed
-- since (see marks.rs). A task with a worker runs; its place is 0.
-- In texts a NUL, which PostgreSQL does not take, is written as U+0001 0, and U+0001 itself as U+0001 1.
CREATE TABLE @.task(
  id uuid NOT NULL,
  eta int8 NOT NULL,
  created int8 NOT NULL,
  first_claim int8,
  worker int8,                          -- who runs it
  epoch int8 NOT NULL DEFAULT 0,
  attempt int4 NOT NULL DEFAULT 0,
  crashes int4 NOT NULL DEFAULT 0,
  place int2 NOT NULL,
  priority int2 NOT NULL,
  hold int2,                            -- why it is held
  started bool NOT NULL DEFAULT false,  -- a task with crashes has begun under this worker
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C",
  tag text,
  options bytea,
  payload bytea NOT NULL,
  error text,
  CONSTRAINT task_id PRIMARY KEY (id)
) WITH (
  -- A claim changes nothing that is indexed: with room beside a row, its new version stays on the page, and no index is touched.
  fillfactor = 48,
  -- Rows come and go: by share alone, a table that was large once would hardly be vacuumed.
  autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_insert_threshold = 100000, autovacuum_analyze_threshold = 10000,
  autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_cost_delay = 0
);
-- The claim walks these two; the eta of a ready task has passed. What runs stays in the first one, below the marks. Queues
-- by their hash: behind a text, the server looks for each further column of an entry anew. No two entries are alike: to look
-- for such before a page is split costs an insert more than its share of the split.
CREATE INDEX task_ready ON @.task(hashtext(queue), priority, eta, id) WITH (deduplicate_items = off) WHERE place = 0;
CREATE INDEX task_back ON @.task(hashtext(queue), priority, eta, id) WITH (deduplicate_items = off) WHERE place = 7;
-- Promotion walks this one.
CREATE INDEX task_scheduled ON @.task(eta) WHERE place = 1;
-- Held tasks are looked for by workers that may be able to run them.
CREATE INDEX task_held ON @.task(id) WHERE place = 3;

-- What each turn claimed, until all of it has come to something: how a worker's tasks are found when they are taken back.
CREATE TABLE @.claim(
  worker int8 NOT NULL,
  turn int8 NOT NULL,
  tasks uuid[] NOT NULL,
  CONSTRAINT claim_turn PRIMARY KEY (worker, turn)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_cost_delay = 0);
-- Ids hardly compress, and trying costs more than the room.
ALTER TABLE @.claim ALTER COLUMN tasks SET STORAGE EXTERNAL;

-- Finished tasks, in partitions of a day by the time at which they expire: whole partitions are dropped, rows are not
-- deleted. What expires up to the horizon (in meta) is gone, whether its partition has been dropped or not.
CREATE TABLE @.history(
  id uuid NOT NULL,
  expires int8 NOT NULL,
  finished int8 NOT NULL,
  eta int8 NOT NULL,
  created int8 NOT NULL,
  epoch int8 NOT NULL,
  attempt int4 NOT NULL,
  crashes int4 NOT NULL,
  state int2 NOT NULL,
  priority int2 NOT NULL,
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C",
  tag text,
  options bytea,
  payload bytea NOT NULL,
  error text,
  result bytea
) PARTITION BY RANGE (expires);
CREATE INDEX history_id ON @.history(id);
-- Rows come nearly in the order in which they expire.
CREATE INDEX history_expires ON @.history USING brin (expires) WITH (pages_per_range = 32, autosummarize = on);
-- Figures of the last minute walk this one.
CREATE INDEX history_finished ON @.history USING brin (finished) WITH (pages_per_range = 32, autosummarize = on);
-- The net: days for which no partition was made, and what is kept for longer than any.
CREATE TABLE @.history_default PARTITION OF @.history DEFAULT;

-- Plain successes, nearly all that ever ends, by the bundle (see bundle.rs): what one turn ended of one queue, made at
-- about the same time. `ids` are those of `tasks`; in partitions as history is.
CREATE TYPE @.ended AS (
  id uuid,
  eta int8,
  created int8,
  epoch int8,
  attempt int4,
  crashes int4,
  priority int2,
  name text,
  tag text,
  options bytea,
  payload bytea,
  error text
);
CREATE TABLE @.bundle(
  bucket int8 NOT NULL,                 -- when its ids were made, which every id tells
  expires int8 NOT NULL,
  finished int8 NOT NULL,
  count int4 NOT NULL,
  queue text COLLATE "C" NOT NULL,
  ids uuid[] NOT NULL,
  tasks @.ended[] NOT NULL
) PARTITION BY RANGE (expires);
-- Ids hardly compress. Tasks of one turn are much alike; but pglz costs more than the room, and lz4 is not in every server.
ALTER TABLE @.bundle ALTER COLUMN ids SET STORAGE EXTERNAL, ALTER COLUMN tasks SET STORAGE EXTERNAL;
DO $$ BEGIN
  ALTER TABLE @.bundle ALTER COLUMN tasks SET STORAGE EXTENDED, ALTER COLUMN tasks SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR syntax_error THEN NULL;
END $$;
CREATE INDEX bundle_bucket ON @.bundle(bucket);
CREATE INDEX bundle_expires ON @.bundle(expires);
CREATE INDEX bundle_finished ON @.bundle(finished);
CREATE TABLE @.bundle_default PARTITION OF @.bundle DEFAULT;

-- Names that are taken: by a pending task, or until the tombstone's time.
CREATE TABLE @.name(
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  until int8,
  CONSTRAINT name_name PRIMARY KEY (queue, name)
) WITH (autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX name_until ON @.name(until) WHERE until IS NOT NULL;

-- An identity: a worker's number is never used again, or an old worker could pass for a new one.
CREATE TABLE @.worker(
  id int8 GENERATED ALWAYS AS IDENTITY,
  enlisted int8 NOT NULL,
  lease int8 NOT NULL,
  lease_until int8 NOT NULL,
  era int8 NOT NULL DEFAULT 0,          -- rises when a turn of unknown fate is undone
  name text NOT NULL,
  functions text NOT NULL,              -- one per line
  CONSTRAINT worker_id PRIMARY KEY (id)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_cost_delay = 0);

-- Running tasks that somebody wants cancelled; nearly always empty.
CREATE TABLE @.cancel(id uuid NOT NULL, CONSTRAINT cancel_id PRIMARY KEY (id));

-- The queues that have ever been used. A name may stand here twice: were it unique, whoever adds to a new queue would wait
-- for the end of another's open transaction that did so first.
CREATE TABLE @.queue(name text COLLATE "C" NOT NULL);
CREATE INDEX queue_name ON @.queue(name);

-- Queues that have a configuration (see limits.rs). What claims ask it is spelled out; the whole is packed.
CREATE TABLE @.queue_limit(
  number int8 GENERATED ALWAYS AS IDENTITY,  -- what fences carry
  bucket_size int8 NOT NULL,
  concurrent int8 NOT NULL,
  tombstone int8 NOT NULL,
  at int8 NOT NULL,                     -- when there were so many tokens in the bucket
  moved int8 NOT NULL,                  -- when anything was reserved or given back
  running int8 NOT NULL,                -- how many of its tasks run, or are about to
  recounts int8 NOT NULL DEFAULT 0,     -- how often that was counted anew
  per_second float8,                    -- null: no limit
  tokens float8 NOT NULL,
  gate int2 NOT NULL,                   -- who may claim: 0 everybody, 1 whoever names it, 2 nobody
  queue text COLLATE "C" NOT NULL,
  rate text,
  retry bytea,
  config bytea NOT NULL,
  CONSTRAINT queue_limit_queue PRIMARY KEY (queue)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_cost_delay = 0);

-- schema: the version of these tables. compatible: the oldest program version that can work with them.
-- horizon: what expires up to this time is gone.
CREATE TABLE @.meta(key text NOT NULL, value int8 NOT NULL, CONSTRAINT meta_key PRIMARY KEY (key))
  WITH (fillfactor = 50, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_cost_delay = 0);
INSERT INTO @.meta VALUES ('horizon', -9223372036854775808);
