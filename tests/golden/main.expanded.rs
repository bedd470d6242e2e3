fn main() -> delay::Result<()> {
    async fn main() -> delay::Result<()> {
        delay::Runtime::open("sqlite:jobs.db").await?.run().await
    }
    ::delay::__private::main(main())
}
