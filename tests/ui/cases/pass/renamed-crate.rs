//! `crate = path` is used for everything that an expansion names.

mod jobs {
    pub use ::delay as framework;
}

use jobs::framework::Context;

#[jobs::framework::func("a", crate = jobs::framework, queue = "mail", keep_result = "1d", retry(limit = 1))]
async fn a(_ctx: &Context, _to: &str, #[state] _db: &u32) -> Result<u32, jobs::framework::BoxError> {
    Ok(1)
}

#[jobs::framework::func("b", crate = crate::jobs::framework)]
fn b(_ctx: &Context, #[rest] _xs: Vec<u32>) -> u32 {
    1
}

#[jobs::framework::func("c", crate = jobs::framework)]
static COUNT: _ = async |_ctx: &Context| {};

#[jobs::framework::main(crate = jobs::framework, worker_threads = 2)]
async fn main() {
    let env = jobs::framework::testing::Env::builder().state(7_u32).build();
    A::call(&env, "ada").await.unwrap();
    B::call(&env, [1, 2]).await.unwrap();
    COUNT.call(&env).await.unwrap();
    assert_eq!(env.drain().await.unwrap().succeeded, 3);
}
