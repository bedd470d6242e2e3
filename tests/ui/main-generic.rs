#[delay::main]
async fn main<T>() {}
