//! What suspended programs leave, and the wish that a running one be suspended: two tables of their own, so that plain
//! tasks pay nothing. Both are swept by upkeep when their task has ended.

use tokio_postgres::types::Type;

use super::base::Base;
use super::push::{task_id, uuid, uuids};
use super::sql::{Session, Sql};
use crate::error::Result;
use crate::store::{Fence, Settled};
use crate::task::TaskId;

/// Locks the task's row, as a rescue and a claim do: a checkpoint of an attempt that has just lost its task waits for them,
/// and then finds another epoch. Looks it up by its primary key.
const KEEP: Sql = Sql {
    text: "WITH held AS MATERIALIZED (SELECT id FROM @.task WHERE id = $2 AND epoch = $3 AND worker IS NOT NULL FOR UPDATE)
        INSERT INTO @.checkpoint AS c (id, saved, bytes) SELECT id, coalesce($1, NOW), $4 FROM held
        ON CONFLICT ON CONSTRAINT checkpoint_id DO UPDATE SET saved = excluded.saved, bytes = excluded.bytes
        RETURNING c.id",
    types: &[Type::INT8, Type::UUID, Type::INT8, Type::BYTEA],
};

/// Locks as [`KEEP`] does.
const REMOVE: Sql = Sql {
    text: "WITH held AS MATERIALIZED (SELECT id FROM @.task WHERE id = $1 AND epoch = $2 AND worker IS NOT NULL FOR UPDATE),
        gone AS (DELETE FROM @.checkpoint c USING held WHERE c.id = held.id)
        SELECT id FROM held",
    types: &[Type::UUID, Type::INT8],
};

/// What has ended has left nothing, swept or not.
const READ: Sql = Sql {
    text: "SELECT bytes FROM @.checkpoint c WHERE id = $1 AND EXISTS (SELECT FROM @.task t WHERE t.id = c.id)",
    types: &[Type::UUID],
};

const WISHES: Sql = Sql { text: "SELECT id FROM @.suspend WHERE id = ANY ($1)", types: &[Type::UUID_ARRAY] };

/// Walks the two tables, which are small; each row's task is looked up by its primary key.
const SWEEP: Sql = Sql {
    text: "WITH checkpoints AS (
            DELETE FROM @.checkpoint c WHERE NOT EXISTS (SELECT FROM @.task t WHERE t.id = c.id))
        DELETE FROM @.suspend s WHERE NOT EXISTS (SELECT FROM @.task t WHERE t.id = s.id)",
    types: &[],
};

impl Base {
    pub(super) async fn checkpoint(&self, fence: Fence, bytes: Option<&[u8]>) -> Result<Settled> {
        let session = self.session().await?;
        let id = uuid(fence.id);
        let rows = match bytes {
            Some(bytes) => {
                session.rows("keep a checkpoint", &KEEP, &[&self.now(), &id, &fence.epoch, &bytes]).await?
            }
            None => session.rows("forget a checkpoint", &REMOVE, &[&id, &fence.epoch]).await?,
        };
        Ok(if rows.is_empty() { Settled::Stale } else { Settled::Applied })
    }

    pub(super) async fn snapshot(&self, id: TaskId) -> Result<Option<Vec<u8>>> {
        let session = self.session().await?;
        let rows = session.rows("read a checkpoint", &READ, &[&uuid(id)]).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    pub(super) async fn suspends(&self, ids: &[TaskId]) -> Result<Vec<TaskId>> {
        let session = self.session().await?;
        let ids = uuids(ids.iter().copied());
        let rows = session.rows("look for tasks to suspend", &WISHES, &[&ids]).await?;
        Ok(rows.iter().map(|row| task_id(row.get(0))).collect())
    }
}

/// Removes what ended tasks have left.
pub(super) async fn sweep(session: &Session) -> Result<()> {
    session.rows("sweep checkpoints", &SWEEP, &[]).await.map(drop)
}
