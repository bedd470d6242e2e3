//! Arguments: what a function can take, how it is stored, and how a signature changes while old calls still wait.
//!
//! `cargo run --example arguments`

use delay::{BoxError, Context, Due, Function as _, Runtime, Task, TaskId};
use serde::{Deserialize, Serialize};

/// References are stored owned and handed in borrowed; the stub takes them as the function does.
#[delay::func("references")]
async fn references(_ctx: &Context, text: &str, numbers: &[u32], from: &Place) {
    println!("references: {text}, {numbers:?}, {from:?}");
}

/// Whatever serde can store is an argument. An enum is the usual way to say "one of these".
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    city: String,
    zip: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Circle { radius: f64 },
    Square(f64),
}

#[delay::func("values")]
async fn values(_ctx: &Context, shape: Shape, note: Option<String>) {
    println!("values: {shape:?}, {note:?}");
}

/// A set of types that other crates can add to: a trait object in a box. The crate typetag gives it serde.
#[typetag::serde]
trait Greeting: Send {
    fn text(&self) -> String;
}

#[derive(Serialize, Deserialize)]
struct Formal {
    title: String,
}

#[typetag::serde]
impl Greeting for Formal {
    fn text(&self) -> String {
        format!("Dear {},", self.title)
    }
}

#[delay::func("trait-object")]
async fn trait_object(_ctx: &Context, greeting: Box<dyn Greeting>) {
    println!("trait object: {}", greeting.text());
}

/// Any number of values: the stub takes an iterator.
#[delay::func("sum")]
async fn sum(_ctx: &Context, #[rest] numbers: &[i64]) {
    println!("rest: the sum is {}", numbers.iter().sum::<i64>());
}

/// Calls that were stored by an older version have to be understood: a new parameter has a default, a renamed one
/// knows its old name, and one that is gone is named as `removed`. (A moved function says `aliases`.)
#[delay::func("evolved", removed("color"))]
async fn evolved(_ctx: &Context, #[rename_from = "whom"] name: &str, #[default = 1] copies: u32) {
    println!("evolved: {copies} for {name}");
}

/// A closure will do as well. Its stub is called on the static.
#[delay::func("shout")]
static SHOUT: _ = async |_ctx: &Context, text: &str| println!("closure: {}!", text.to_uppercase());

#[delay::main]
async fn main() -> Result<(), BoxError> {
    let rt = Runtime::open(delay_examples::store()).await?;
    let calls = [
        References::call(&rt, "text", &[1, 2, 3], &Place { city: "Zurich".into(), zip: Some(8001) }).await?,
        Values::call(&rt, Shape::Circle { radius: 1.5 }, None).await?,
        Values::call(&rt, Shape::Square(2.0), Some("twice".into())).await?,
        TraitObject::call(&rt, Box::new(Formal { title: "Countess".into() })).await?,
        Sum::call(&rt, (1..=10).filter(|n| n % 2 == 0)).await?,
        Evolved::call(&rt, "Ada", 2).await?,
        rt.handle(stored_by_an_older_version(&rt).await?),
        SHOUT.call(&rt, "hello").await?,
    ];
    rt.start().await?;
    for call in calls {
        call.result().await?;
    }
    Ok(rt.stop().await?)
}

/// A call of `evolved` as last year's program stored it: a map by parameter name, so it does not depend on any order.
async fn stored_by_an_older_version(rt: &Runtime) -> Result<TaskId, BoxError> {
    #[derive(Serialize)]
    struct Invocation {
        function: &'static str,
        arguments: Arguments,
    }
    #[derive(Serialize)]
    struct Arguments {
        whom: &'static str,
        color: &'static str,
    }
    let arguments = Arguments { whom: "Grace", color: "red" };
    let invocation = Invocation { function: Evolved::id(), arguments };
    let task = Task {
        id: TaskId::new(),
        queue: "default".into(),
        name: None,
        due: Due::Now,
        priority: 0,
        tag: None,
        options: None,
        payload: rmp_serde::to_vec_named(&invocation)?,
    };
    let id = task.id;
    rt.client().store().push(vec![task]).await?;
    Ok(id)
}
