#[delay::func("report")]
async fn report(
    ctx: &Context,
    to: &str,
    lines: &[Line],
    file: &Path,
    style: &Style,
    raw: &std::ffi::OsStr,
    r#type: u32,
) -> io::Result<()> {
    write(ctx, to, lines, file, style, raw, r#type).await
}
