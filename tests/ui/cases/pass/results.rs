//! What is a `Result` by its name is one; everything else is a value.

use std::fmt;
use std::io;

use delay::Context;
use delay::testing::Env;

mod anyhow {
    pub type Result<T, E = delay::BoxError> = ::std::result::Result<T, E>;
}

#[delay::func("std")]
async fn of_std(_ctx: &Context) -> Result<u32, fmt::Error> {
    Err(fmt::Error)
}

#[delay::func("io")]
async fn of_io(_ctx: &Context) -> io::Result<()> {
    Err(io::Error::other("io"))
}

#[delay::func("fmt")]
fn of_fmt(_ctx: &Context) -> fmt::Result {
    Err(fmt::Error)
}

#[delay::func("anyhow", keep_result = "1d")]
async fn of_anyhow(_ctx: &Context, fail: bool) -> anyhow::Result<Vec<u32>> {
    if fail { Err("fail".into()) } else { Ok(vec![1, 2]) }
}

#[delay::func("text")]
async fn of_text(_ctx: &Context) -> Result<(), String> {
    Err("text".to_owned())
}

#[delay::func("plain", keep_result = "1d")]
async fn plain(_ctx: &Context) -> Option<u32> {
    Some(3)
}

#[delay::func("tuple", keep_result = "1d")]
fn tuple(_ctx: &Context) -> (u32, String) {
    (1, "one".to_owned())
}

#[delay::func("borrowed")]
async fn borrowed(_ctx: &Context, text: &str) -> &'static str {
    if text.is_empty() { "empty" } else { "full" }
}

#[delay::func("unit")]
#[allow(clippy::unused_unit)]
async fn unit(_ctx: &Context) -> () {}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let env = Env::builder().retry(delay::Retry::NEVER).build();
    OfStd::call(&env).await.unwrap();
    OfIo::call(&env).await.unwrap();
    OfFmt::call(&env).await.unwrap();
    OfAnyhow::call(&env, true).await.unwrap();
    OfText::call(&env).await.unwrap();
    let drained = env.drain().await.unwrap();
    assert_eq!((drained.succeeded, drained.failed), (0, 5));

    let list: delay::Handle<Vec<u32>> = OfAnyhow::call(&env, false).await.unwrap();
    let option: delay::Handle<Option<u32>> = Plain::call(&env).await.unwrap();
    let pair: delay::Handle<(u32, String)> = Tuple::call(&env).await.unwrap();
    let _: delay::Handle<()> = Borrowed::call(&env, "x").await.unwrap();
    let _: delay::Handle<()> = Unit::call(&env).await.unwrap();
    assert_eq!(env.drain().await.unwrap().succeeded, 5);
    assert_eq!(list.result().await.unwrap(), [1, 2]);
    assert_eq!(option.result().await.unwrap(), Some(3));
    assert_eq!(pair.result().await.unwrap(), (1, "one".to_owned()));
}
