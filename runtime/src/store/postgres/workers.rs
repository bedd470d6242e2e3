//! Workers come, beat, and go. The lease is the worker's, not the task's: one row is renewed however much it holds.

use tokio_postgres::types::Type;

use super::base::Base;
use super::push::micros;
use super::sql::Sql;
use crate::error::Result;
use crate::store::{Enlist, WorkerId, stale_lease};

const ENLIST: Sql = Sql {
    text: "INSERT INTO @.worker(name, enlisted, lease, lease_until, functions)
        SELECT $2, now, $3, now + $3, $4 FROM (SELECT coalesce($1, NOW) AS now) clock RETURNING id",
    types: &[Type::INT8, Type::TEXT, Type::INT8, Type::TEXT],
};

const BEAT: Sql = Sql {
    text: "UPDATE @.worker SET lease_until = lease + coalesce($1, NOW) WHERE id = $2 RETURNING id",
    types: &[Type::INT8, Type::INT8],
};

pub(super) const FORGET: Sql = Sql { text: "DELETE FROM @.worker WHERE id = $1", types: &[Type::INT8] };

/// What a worker that leaves in order has not finished goes back, its attempts unspent.
const GIVE_BACK: Sql = Sql {
    text: "WITH claims AS (DELETE FROM @.claim WHERE worker = $1 RETURNING tasks)
        UPDATE @.task SET place = 7, worker = NULL, started = false, attempt = greatest(0, attempt - 1)
        WHERE id = ANY (ARRAY(SELECT unnest(tasks) FROM claims)) AND worker = $1 RETURNING id",
    types: &[Type::INT8],
};

impl Base {
    pub(super) async fn enlist(&self, worker: &Enlist) -> Result<WorkerId> {
        // A lease without end must leave room for the time that is added to it.
        let lease = micros(worker.lease).min(i64::MAX / 4);
        let functions = worker.functions.join("\n");
        let name = super::text::pack(&worker.name);
        let session = self.session().await?;
        let rows =
            session.rows("enlist a worker", &ENLIST, &[&self.now(), &name, &lease, &functions]).await?;
        rows.first().map(|row| WorkerId(row.get(0))).ok_or_else(stale_lease)
    }

    pub(super) async fn beat(&self, worker: WorkerId) -> Result<()> {
        let session = self.session().await?;
        let rows = session.rows("renew a lease", &BEAT, &[&self.now(), &worker.0]).await?;
        if rows.is_empty() { Err(stale_lease()) } else { Ok(()) }
    }

    pub(super) async fn retire(&self, worker: WorkerId) -> Result<()> {
        let session = self.session().await?;
        let given_back = session.in_transaction("give tasks back", async {
            // First the worker's row: that waits for its turns, so that the second statement sees all that they claimed.
            session.rows("forget a worker", &FORGET, &[&worker.0]).await?;
            session.rows("give tasks back", &GIVE_BACK, &[&worker.0]).await
        });
        let given_back = given_back.await?;
        self.lost.forget(worker);
        self.claims.forget(worker);
        if !given_back.is_empty() {
            self.woke();
        }
        Ok(())
    }
}
