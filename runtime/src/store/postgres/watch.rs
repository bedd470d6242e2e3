//! Hearing of what other processes did: a connection of its own that listens, as long as anybody in this process waits
//! for tasks or results. Where nobody can be heard (poolers, `notify=off`, a server that is away), it looks from time to
//! time instead.

use std::sync::Arc;
use std::time::Duration;

use postgres_protocol::escape::escape_identifier;
use tokio::sync::mpsc;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::base::Base;
use super::connect::{Heard, Line};
use super::notify::Told;
use super::open;
use super::push::{task_id, uuids};
use super::sql::Sql;
use crate::error::Result;
use crate::task::TaskId;

/// How often it is looked whether anybody waits; no statement is sent for that.
const GLANCE: Duration = Duration::from_millis(50);

/// How often the database is looked at by those who cannot listen. Upkeep's looks count as well.
const POLL: Duration = Duration::from_millis(1000);

/// The most results that are looked for at a time.
const AWAITED: usize = 1000;

const FINISHED: Sql = Sql {
    text: "SELECT w.id FROM unnest($1) AS w(id) WHERE NOT EXISTS (SELECT FROM @.task t WHERE t.id = w.id)",
    types: &[Type::UUID_ARRAY],
};

const CLAIMABLE: Sql = Sql {
    text: "SELECT EXISTS (SELECT FROM @.cancel) OR EXISTS (SELECT FROM @.task WHERE place = 7)
        OR EXISTS (SELECT FROM @.task WHERE place = 1 AND eta <= coalesce($1, NOW))
        OR EXISTS (SELECT FROM @.queue q CROSS JOIN LATERAL (
            SELECT FROM @.task t WHERE t.place = 0 AND t.worker IS NULL AND @is(t.queue, q.name) LIMIT 1) t)",
    types: &[Type::INT8],
};

/// Watches until it is dropped.
pub(super) async fn run(base: Arc<Base>) {
    loop {
        while !base.signals.has_listeners() {
            tokio::time::sleep(GLANCE).await;
        }
        if base.settings.notify {
            match listen(&base).await {
                Ok((line, told)) => hear(&base, line, told).await,
                Err(error) => {
                    tracing::warn!(
                        error = error.chain(),
                        "cannot listen to other processes; looking instead"
                    );
                    look(&base).await;
                    tokio::time::sleep(POLL).await;
                }
            }
        } else {
            look(&base).await;
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn listen(base: &Arc<Base>) -> Result<(Line, mpsc::UnboundedReceiver<Told>)> {
    let (sender, told) = mpsc::unbounded_channel();
    let teller = Arc::clone(base);
    let heard: Heard = Box::new(move |notification| {
        if let Some(told) = teller.notifier.read(notification.payload()) {
            // Nobody listens any more: then nobody misses it.
            let _ = sender.send(told);
        }
    });
    let line = base.connector.connect_hearing(heard).await?;
    let listen = format!("LISTEN {}", escape_identifier(base.notifier.channel()));
    line.client
        .batch_execute(&listen)
        .await
        .map_err(|error| super::fault::fault("listen to other processes", error))?;
    Ok((line, told))
}

/// Hears until the connection ends.
async fn hear(base: &Base, mut line: Line, mut told: mpsc::UnboundedReceiver<Told>) {
    // Whatever happened before it was listened to: everybody looks.
    base.signals.changed_elsewhere();
    // It may be another server than before. The work goes on: to stop it is for whoever hears this.
    if let Err(error) = open::check_standby(base).await {
        tracing::error!(error = error.chain(), "what is added now may be on one server alone");
    }
    let mut news = Vec::new();
    loop {
        tokio::select! {
            count = told.recv_many(&mut news, 1000) => if count == 0 { return },
            () = line.ended() => {
                tracing::warn!("the connection that listens to other processes broke; making another");
                // What is claimed from now on may be claimed from another server, with a clock of its own.
                base.marks().clear();
                return;
            }
        }
        if let Some(low) = news.iter().filter_map(|told| told.low).min() {
            base.marks().lower(low);
        }
        if news.iter().any(|told| told.ready) {
            base.signals.wake();
        }
        if news.drain(..).any(|told| told.finished) {
            find_finished(base).await;
        }
    }
}

/// Looks for what notifications would have told.
async fn look(base: &Base) {
    if !base.rhythm.is_kept() {
        let found = async {
            let session = base.session().await?;
            let rows = session.rows("look for tasks", &CLAIMABLE, &[&base.now()]).await?;
            Ok::<_, crate::error::Error>(rows.first().is_some_and(|row| row.get(0)))
        };
        match found.await {
            Ok(true) => base.signals.wake(),
            Ok(false) => {}
            Err(error) => tracing::debug!(error = error.chain(), "cannot look for what other processes did"),
        }
    }
    find_finished(base).await;
}

/// Tells those who wait for results that are there.
async fn find_finished(base: &Base) {
    let awaited = base.signals.awaited(AWAITED);
    if awaited.is_empty() {
        return;
    }
    let found = async {
        let session = base.session().await?;
        session.rows("look for results", &FINISHED, &[&uuids(awaited)]).await
    };
    match found.await {
        Ok(rows) => {
            let ids: Vec<TaskId> = rows.iter().map(|row| task_id(row.get::<_, Uuid>(0))).collect();
            base.signals.fire(&ids);
        }
        Err(error) => tracing::debug!(error = error.chain(), "cannot look for results"),
    }
}
