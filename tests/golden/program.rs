#[delay::program("report", file = "report.wasm", suspendable, checkpoint = "10s", memory = "32MiB", keep_result = "1d")]
pub(crate) fn report(title: &str, #[default = 100] rows: u32) -> String;
