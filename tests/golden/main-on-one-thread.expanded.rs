fn main() {
    async fn main() {
        work().await;
    }
    ::delay::__private::main_with(
        ::delay::__private::MainOptions {
            flavor: ::delay::__private::Flavor::CurrentThread,
            ..::delay::__private::MainOptions::DEFAULT
        },
        main(),
    )
}
