//! Our own tables: rows that vacuum has not removed, space that it cannot give back, indexes and partitions that have to
//! be there.

use std::collections::HashMap;

use super::{Doctor, bytes};
use crate::error::Result;
use crate::store::finding::Finding;

/// Fewer dead rows are every day's business.
const MANY_DEAD: i64 = 50_000;

/// A smaller table costs nothing, however empty it is.
const LARGE: i64 = 32 << 20;

/// Microseconds; what is kept for longer, as good as for ever, may well be in the default partition.
const FAR: i64 = 10 * 365 * 86_400_000_000;

impl Doctor<'_> {
    /// More dead rows than living ones: vacuum does not come, or is held back.
    pub(super) async fn dead_rows(&self) -> Result<Vec<Finding>> {
        let sql = "SELECT relname::text, n_dead_tup, n_live_tup, \
                   coalesce(to_char(last_autovacuum, 'YYYY-MM-DD HH24:MI:SS TZ'), 'never') \
                   FROM pg_stat_user_tables WHERE schemaname = $1 AND n_dead_tup > $2 AND n_dead_tup > n_live_tup";
        let rows = self.rows("look at dead rows", sql, &[&self.settings.schema, &MANY_DEAD]).await?;
        let finding = |row: &tokio_postgres::Row| {
            let (table, dead, live): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let vacuumed: String = row.get(3);
            Finding::trouble(
                "dead-rows",
                format!(
                    "`{table}` has {dead} dead rows beside {live} living ones; autovacuum was there last: {vacuumed}"
                ),
                "everything that reads the table or its indexes walks over them, and they take space",
                format!(
                    "remove what holds vacuum back (the findings on sessions, slots and prepared transactions), then: \
                     VACUUM {}.\"{table}\"",
                    self.quoted()
                ),
            )
        };
        Ok(rows.iter().map(finding).collect())
    }

    /// Space that vacuum has freed inside a table but cannot give back to the system.
    pub(super) async fn bloat(&self) -> Result<Vec<Finding>> {
        // A row costs its columns, about 40 bytes of its own, and gaps; four times that, beside the room that the table
        // itself asks for, is more than any load explains.
        let sql = "SELECT c.relname::text, pg_relation_size(c.oid), greatest(c.reltuples, 0)::int8 FROM pg_class c \
                   JOIN pg_namespace n ON n.oid = c.relnamespace \
                   CROSS JOIN LATERAL (SELECT coalesce(sum(avg_width), 0) AS width FROM pg_stats \
                   WHERE schemaname = n.nspname AND tablename = c.relname) s \
                   WHERE n.nspname = $1 AND c.relkind = 'r' AND c.reltuples >= 0 AND pg_relation_size(c.oid) > $2 \
                   AND pg_relation_size(c.oid) > 4 * greatest(c.reltuples, 0) * (s.width + 40) * 100 / coalesce((SELECT \
                   option_value::int FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 100)";
        let rows = self.rows("look at the size of tables", sql, &[&self.settings.schema, &LARGE]).await?;
        let finding = |row: &tokio_postgres::Row| {
            let (table, size, tuples): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            Finding::trouble(
                "bloat",
                format!("`{table}` takes {} for about {tuples} rows", bytes(size)),
                "the space is used again, but until then it fills caches and backups with nothing",
                format!(
                    "nothing, if a backlog of that size may come again; else in a quiet hour: VACUUM FULL {}.\"{table}\" \
                     (it locks the table meanwhile), or use the extension pg_repack",
                    self.quoted()
                ),
            )
        };
        Ok(rows.iter().map(finding).collect())
    }

    /// Without autovacuum the hot tables only grow.
    pub(super) async fn autovacuum(&self) -> Result<Vec<Finding>> {
        const WHY: &str = "a queue's rows come and go all day: without vacuum its tables and indexes only grow, and the \
                           server must stop one day to keep its transaction numbers apart";
        let mut found = Vec::new();
        for name in ["autovacuum", "track_counts"] {
            if self.setting(name).await? == "off" {
                let advice = format!("ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()");
                found.push(Finding::trouble("autovacuum", format!("`{name}` is off"), WHY, advice));
            }
        }
        let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   CROSS JOIN LATERAL pg_options_to_table(c.reloptions) o \
                   WHERE n.nspname = $1 AND o.option_name = 'autovacuum_enabled' AND NOT o.option_value::bool";
        for row in self.rows("look at autovacuum", sql, &[&self.settings.schema]).await? {
            let table: String = row.get(0);
            let advice = format!("ALTER TABLE {}.\"{table}\" RESET (autovacuum_enabled)", self.quoted());
            found.push(Finding::trouble(
                "autovacuum",
                format!("autovacuum is off for `{table}`"),
                WHY,
                advice,
            ));
        }
        Ok(found)
    }

    /// How near the server is to the day on which it has to stop.
    pub(super) async fn freeze_age(&self) -> Result<Option<Finding>> {
        let sql = "SELECT age(datfrozenxid)::int8, current_setting('autovacuum_freeze_max_age')::int8 \
                   FROM pg_database WHERE datname = current_database()";
        let rows = self.rows("look at the freeze age", sql, &[]).await?;
        let Some((age, most)) = rows.first().map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1))) else {
            return Ok(None);
        };
        // Vacuum begins at `most`; half as much again means that it does not get through.
        Ok((age > most + most / 2).then(|| {
            Finding::trouble(
                "freeze-age",
                format!(
                    "the database's oldest transaction is {age} back; vacuum should have frozen it at {most}"
                ),
                "at 2,147 million the server refuses every write until it has been vacuumed by hand",
                "remove what holds vacuum back, then as a superuser: VACUUM (FREEZE) in this database",
            )
        }))
    }

    /// Each index is there for a statement that is slow without it.
    pub(super) async fn indexes(&self) -> Result<Vec<Finding>> {
        let sql = "SELECT i.relname::text, x.indisvalid AND x.indisready FROM pg_index x \
                   JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace \
                   WHERE n.nspname = $1";
        let rows = self.rows("look at indexes", sql, &[&self.settings.schema]).await?;
        let there: HashMap<String, bool> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let schema = self.quoted();
        let finding = |(name, statement): (String, String)| {
            let made = statement.replace("@.", &format!("{schema}."));
            let (what, advice) = match there.get(&name) {
                Some(true) => return None,
                Some(false) => {
                    ("is there, but not valid", format!("REINDEX INDEX CONCURRENTLY {schema}.\"{name}\""))
                }
                None => ("is missing", made),
            };
            let what = format!("the index `{name}` {what}");
            let why = "some of the queue's statements read whole tables without it, slower with every task";
            Some(Finding::trouble("index", what, why, advice))
        };
        Ok(indexes_of(self.tables).into_iter().filter_map(finding).collect())
    }

    /// Finished tasks belong into partitions that can be dropped.
    pub(super) async fn partitions(&self) -> Result<Vec<Finding>> {
        const WHY: &str = "finished tasks go into the default partition, from which they are deleted row by row, instead \
                           of being dropped as a whole with their day";
        const ADVICE: &str = "a worker's upkeep makes partitions ahead: run one, or look at its log and whether its user \
                              owns the tables; what is in the default partition goes when its time has come";
        let sql = "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                   JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace \
                   WHERE n.nspname = $1 AND p.relname = 'history'";
        let rows = self.rows("look at partitions", sql, &[&self.settings.schema]).await?;
        let last = rows.iter().filter_map(|row| range(row.get(0))).map(|(_, end)| end).max();
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8";
        let now: i64 = self.rows("look at the clock", sql, &[]).await?.first().map_or(0, |row| row.get(0));
        let mut found = Vec::new();
        if last.is_none_or(|last| last <= now) {
            let what = "`history` has no partition for what will expire";
            found.push(Finding::trouble("partition", what, WHY, ADVICE));
        }
        let sql = format!(
            "SELECT count(*) FROM (SELECT FROM {}.history_default WHERE expires < $1 LIMIT 10000) rows",
            self.quoted()
        );
        let far = now.saturating_add(FAR);
        let rows = self.rows("look at the default partition", &sql, &[&far]).await?;
        let count: i64 = rows.first().map_or(0, |row| row.get(0));
        if count > 0 {
            let most = if count == 10_000 { " or more" } else { "" };
            let what = format!("{count}{most} finished tasks are in the default partition of `history`");
            found.push(Finding::trouble("partition", what, WHY, ADVICE));
        }
        Ok(found)
    }
}

/// The names of all indexes that the tables' SQL makes, with a statement that makes each again.
fn indexes_of(tables: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = tables.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    for statement in lines.join("\n").split(';') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words[..] {
            ["CREATE", "TABLE", name, ..] => {
                let table = name.split('(').next().unwrap_or_default();
                found.extend(primary_key(statement, table));
            }
            ["CREATE", "INDEX", name, ..] => {
                let again = words.join(" ").replacen("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1);
                // On a partitioned table it cannot be made concurrently.
                let again = if ["@.history(", "@.bundle("].iter().any(|table| words[4].starts_with(table)) {
                    words.join(" ")
                } else {
                    again
                };
                found.push((name.to_owned(), again));
            }
            _ => {}
        }
    }
    found
}

fn primary_key(statement: &str, table: &str) -> Option<(String, String)> {
    let (_, constraint) = statement.split_once("CONSTRAINT ")?;
    let (name, rest) = constraint.split_once(" PRIMARY KEY ")?;
    let columns = rest.split_inclusive(')').next()?;
    Some((name.to_owned(), format!("ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY {columns}")))
}

/// `FOR VALUES FROM ('1') TO ('2')`.
fn range(bound: &str) -> Option<(i64, i64)> {
    let mut numbers = bound.split('\'').skip(1).step_by(2).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indexes_are_read_from_the_sql_that_makes_them() {
        let sql = "-- A table; its rows.\nCREATE TABLE @.task(\n id uuid, -- its id\n CONSTRAINT task_id PRIMARY KEY (id)\n);\n\
                   CREATE INDEX task_ready ON @.task(queue, eta)\n WHERE state = 0;";
        let expected = [
            ("task_id", "ALTER TABLE @.task ADD CONSTRAINT task_id PRIMARY KEY (id)"),
            ("task_ready", "CREATE INDEX CONCURRENTLY task_ready ON @.task(queue, eta) WHERE state = 0"),
        ];
        let expected = expected.map(|(name, again)| (name.to_owned(), again.to_owned()));
        assert_eq!(indexes_of(sql), expected);
    }

    #[test]
    fn the_range_of_a_partition_is_read() {
        assert_eq!(range("FOR VALUES FROM ('17') TO ('-4')"), Some((17, -4)));
        assert_eq!(range("DEFAULT"), None);
    }
}
