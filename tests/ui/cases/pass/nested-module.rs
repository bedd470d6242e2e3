//! A function may stand in a module or in a body; its identity has neither.

use delay::Function as _;

mod outer {
    pub mod inner {
        use delay::Context;

        #[delay::func("deep")]
        pub async fn deep(_ctx: &Context) {}

        #[delay::func("narrow")]
        pub(in crate::outer) async fn narrow(_ctx: &Context) {}
    }

    pub fn narrow_id() -> &'static str {
        use delay::Function as _;
        inner::Narrow::id()
    }
}

fn main() {
    use delay::Context;

    #[delay::func("local")]
    async fn local(_ctx: &Context) {}

    for (id, key) in [(outer::inner::Deep::id(), "deep"), (outer::narrow_id(), "narrow"), (Local::id(), "local")] {
        assert!(id.ends_with(&format!("nested-module.rs:{key}")), "{id}");
    }
}
