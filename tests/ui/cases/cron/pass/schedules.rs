#![forbid(unsafe_code)]
#![deny(warnings)]

use delay::Context;

#[delay::func("nightly", cron = "0 3 * * *", time_zone = "Europe/Berlin")]
async fn nightly(_ctx: &Context) {}

#[delay::func("opening", cron = ["0 9 * * MON-FRI", "0 10 * * SAT"], queue = "doors", keep_result = "1d")]
fn opening(_ctx: &Context, #[default = 3] doors: u8, #[default] _note: Option<String>, #[state] _pool: &u32) -> u8 {
    doors
}

#[delay::func("sum", cron = "@hourly")]
static SUM: _ = async |_ctx: &Context, #[rest] xs: Vec<u32>| {
    let _: u32 = xs.iter().sum();
};

fn main() {
    use delay::Function as _;
    let _ = (Nightly::task(), Opening::id(), SUM.task([1]));
}
