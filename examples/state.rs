//! State: what a function needs but no call can store, such as a pool of connections. The worker lends it.
//!
//! `cargo run --example state`

use std::sync::Mutex;

use delay::{BoxError, Context, Runtime};

/// Like a pool of a database crate: it owns connections, and lends them out.
struct Pool {
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    number: u32,
}

impl Pool {
    fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        let connection = self.idle.lock().ok()?.pop()?;
        let value = work(&connection);
        self.idle.lock().ok()?.push(connection);
        Some(value)
    }
}

/// Like a client of an HTTP crate: a handle that is cheap to clone.
#[derive(Clone)]
struct Mailer {
    sender: &'static str,
}

impl Mailer {
    async fn send(self, to: &str, text: &str) {
        println!("{} to {to}: {text}", self.sender);
    }
}

/// A state is found by its type. By reference it is borrowed from the worker, by value it is cloned for the attempt.
#[delay::func("greet")]
async fn greet(
    _ctx: &Context,
    name: &str,
    #[state] pool: &Pool,
    #[state] mailer: Mailer,
) -> Result<(), BoxError> {
    let text = pool.with_connection(|connection| format!("hello, says connection {}", connection.number));
    mailer.send(name, &text.ok_or("no connection is idle")?).await;
    Ok(())
}

#[delay::main]
async fn main() -> delay::Result<()> {
    let pool = Pool { idle: Mutex::new(vec![Connection { number: 1 }, Connection { number: 2 }]) };
    let rt = Runtime::builder(delay_examples::store())
        .state(pool)
        .state(Mailer { sender: "mail@example.com" })
        .build()
        .await?;
    // State is not stored, so it is no argument of the call.
    let calls = [Greet::call(&rt, "Ada").await?, Greet::call(&rt, "Grace").await?];
    rt.start().await?;
    for call in calls {
        call.result().await?;
    }
    rt.stop().await?;

    // Without it a worker does not even start, and says all that is missing.
    let rt = Runtime::open("memory:").await?;
    if let Err(error) = rt.start().await {
        println!("{error}");
    }
    Ok(())
}
