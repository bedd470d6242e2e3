//! A web application of one's own: it enqueues while it answers a request, and takes tasks in that others post.
//!
//! `DELAY_KEY=$KEY cargo run --example webapp --features http`, and then `curl -X POST localhost:8080/signup/ada`. A key is
//! what `delay::http::Key::generate()` gives; without one the program makes one up and says it. `DELAY_LISTEN` is another
//! address. The example `dispatcher` posts tasks to this one.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use delay::http::{Auth, Door, Key, Keys, Pages};
use delay::{BoxError, Client, Runtime};
use tokio::net::TcpListener;

#[path = "webapp/jobs.rs"]
mod jobs;

/// Answers at once; what takes long happens later. Stored means stored: if the answer is 202, the mail will be written.
async fn sign_up(State(client): State<Client>, Path(name): Path<String>) -> (StatusCode, String) {
    match jobs::Welcome::call(&client, &name).await {
        Ok(task) => (StatusCode::ACCEPTED, format!("task {}\n", task.id())),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

#[delay::main]
async fn main() -> Result<(), BoxError> {
    let rt = Runtime::open(delay_examples::store()).await?;
    let key = std::env::var("DELAY_KEY").unwrap_or_else(|_| {
        let key = Key::generate();
        println!("DELAY_KEY={key}");
        key
    });
    // Whoever has the key may post invocations to /_ah/queue/go/delay; whoever has not gets a 401.
    let door = Door::new(&rt, Auth::signed(Keys::new(key.parse()?)));
    let app = Router::new()
        .route("/signup/{name}", post(sign_up))
        .with_state(rt.client().clone())
        .merge(door.router()?)
        .merge(Pages::new(&rt).router()); // /healthz, /readyz, /metrics: for your own network

    let address = std::env::var("DELAY_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // The server ends when the runtime begins to stop, and the runtime waits for what still runs.
    let server = axum::serve(listener, app).with_graceful_shutdown(rt.stopper().quiescing());
    let (served, ran) = tokio::join!(server, rt.run());
    served?;
    Ok(ran?)
}
