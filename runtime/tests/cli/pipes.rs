//! The program among others: readers that have seen enough.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use delay::{Enqueue as _, Result};

use super::fixture::{Shop, Welcome};

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() -> Result<()> {
    let shop = Shop::open().await?;
    // Far more than a pipe holds.
    shop.client.add_all((0..2000).map(|n| Welcome::task("all".to_owned(), n))).await?;
    for args in [["tasks", "--limit", "2000"].as_slice(), &["tasks", "--limit", "2000", "--json"]] {
        let mut child = shop.folder.command(args);
        let mut child =
            child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::with_capacity(16, child.stdout.take().expect("it is piped"));
        stdout.fill_buf().expect("the program writes");
        drop(stdout);
        let mut stderr = String::new();
        child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("it is UTF-8");
        assert_eq!(child.wait().expect("the program ends").code(), Some(0), "{stderr}");
        assert_eq!(stderr, "");
    }
    Ok(())
}
