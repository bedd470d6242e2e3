/// Takes out the bin.
#[delay::func("tidy")]
fn tidy(_: &Context) {
    take_out_the_bin();
}
