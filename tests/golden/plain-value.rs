#[delay::func("count", keep_result = "10m")]
fn count(_ctx: &Context, mut words: Vec<String>) -> usize {
    words.dedup();
    words.len()
}
