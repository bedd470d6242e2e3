//! Connecting to a real server: who has to prove what, which of several hosts is taken, what comes back by itself, and
//! that no password is ever told.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use delay::store::Store as _;
use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay_tests::postgres::{Certificate, Replication, Schema, Server, Setup};
use delay_tests::{soon, task};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

async fn open(url: &str) -> delay::Result<PostgresStore> {
    soon("an answer of the server", PostgresStore::open(PostgresOptions::new(url))).await
}

#[track_caller]
fn refused(opened: delay::Result<PostgresStore>) -> delay::Error {
    opened.expect_err("this must not be let in")
}

/// A server for `db.example.com`, and who vouches for it.
struct Proven {
    server: Server,
    folder: tempfile::TempDir,
}

impl Proven {
    fn start() -> Self {
        let folder = tempfile::TempDir::new().expect("a folder");
        let issuer = issuer();
        let (chain, key) = certificate(&issuer, "db.example.com");
        let (client, client_key) = certificate(&issuer, "certified");
        let (ca, stranger) = (issuer.pem(), self::issuer().pem());
        for (name, text) in [
            ("ca.pem", &ca),
            ("stranger.pem", &stranger),
            ("client.pem", &client),
            ("client.key", &client_key),
        ] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let server = Server::with(&Setup {
            certificate: Some(Certificate { chain, key, clients: ca }),
            access: vec!["hostssl all certified 127.0.0.1/32 cert".to_owned()],
            ..Setup::default()
        });
        Self { server, folder }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Opens a store by this host name; the name leads to this machine.
    async fn open(&self, host: &str, options: &str) -> delay::Result<PostgresStore> {
        let port = self.server.port();
        open(&format!("postgres://delay:only-for-tests@{host}:{port}/jobs?hostaddr=127.0.0.1&{options}"))
            .await
    }

    fn encrypted(&self) -> bool {
        self.server.psql(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0",
        ) == "t"
    }
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

fn certificate(issuer: &CertifiedIssuer<'_, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    (params.signed_by(&key, issuer).expect("a certificate").pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_certificate_must_be_vouched_for_and_have_the_hosts_name() -> delay::Result<()> {
    let proven = Proven::start();
    let full = |roots: &str| format!("sslmode=verify-full&sslrootcert={}", proven.file(roots));
    let store = proven.open("db.example.com", &full("ca.pem")).await?;
    assert!(proven.encrypted());
    store.close().await?;
    for (host, roots, why) in [
        ("other.example.com", "ca.pem", "not valid for name"),
        ("db.example.com", "stranger.pem", "invalid peer certificate"),
    ] {
        let error = refused(proven.open(host, &full(roots)).await);
        assert!(error.is_unreadable(), "{error:?}");
        assert!(error.chain().contains(why), "{error:?}");
        assert!(error.to_string().contains("sslrootcert"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn weaker_modes_take_what_their_names_say() -> delay::Result<()> {
    let proven = Proven::start();
    let ca = |mode: &str, roots: &str| format!("sslmode={mode}&sslrootcert={}", proven.file(roots));
    for options in [
        ca("verify-ca", "ca.pem"),
        ca("require", "ca.pem"),
        "sslmode=require&channel_binding=prefer".to_owned(),
    ] {
        let store = proven.open("other.example.com", &options).await?;
        assert!(proven.encrypted(), "{options}");
        store.close().await?;
    }
    // As in libpq: whoever names who vouches for servers wants that to count.
    for options in [ca("verify-ca", "stranger.pem"), ca("require", "stranger.pem")] {
        refused(proven.open("db.example.com", &options).await);
    }
    let store = proven.open("other.example.com", "sslmode=disable").await?;
    assert!(!proven.encrypted());
    store.close().await
}

#[tokio::test]
async fn a_client_proves_itself_with_a_certificate_of_its_own() -> delay::Result<()> {
    let proven = Proven::start();
    proven.server.psql("CREATE ROLE certified LOGIN; GRANT CREATE ON DATABASE jobs TO certified");
    let port = proven.server.port();
    let url = format!("postgres://certified@127.0.0.1:{port}/jobs?sslmode=require");
    let error = refused(open(&url).await);
    assert!(error.chain().contains("valid client certificate"), "{error:?}");
    let identity = format!("&sslcert={}&sslkey={}", proven.file("client.pem"), proven.file("client.key"));
    open(&(url + &identity)).await?.close().await
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() -> delay::Result<()> {
    let server = Server::start();
    let ca = Proven::start().file("ca.pem");
    // The folder of that file is gone by now: it is read before anything is sent.
    let error = refused(open(&server.url(&format!("sslmode=verify-full&sslrootcert={ca}"))).await);
    assert!(error.chain().contains(&ca), "{error:?}");
    let error = refused(open(&server.url("sslmode=require")).await);
    assert!(error.chain().contains("server does not support TLS"), "{error:?}");
    open(&server.url("sslmode=prefer")).await?.close().await
}

#[tokio::test]
async fn the_host_that_takes_writes_is_found_among_several() -> delay::Result<()> {
    let mut primary = Server::start();
    let mut standby = primary.standby(Replication::Synchronous);
    let mut gone = Server::start();
    gone.kill9();
    let store = open(&gone.url_with(&[&standby, &primary], "schema=own")).await?;
    store.push(vec![task()]).await?;
    assert_eq!(primary.psql("SELECT count(*) FROM own.task"), "1");
    // A store that goes on by itself when the primary dies and the standby is made the primary.
    primary.kill9();
    standby.promote();
    let end = Instant::now() + delay_tests::BOUND;
    while store.push(vec![task()]).await.is_err() {
        assert!(Instant::now() < end, "the new primary was not found");
    }
    assert_eq!(standby.psql("SELECT count(*) FROM own.task"), "2");
    store.close().await
}

#[tokio::test]
async fn a_standby_alone_is_refused_with_the_reason() {
    let primary = Server::start();
    let standby = primary.standby(Replication::Asynchronous);
    let error = refused(open(&standby.url("target_session_attrs=read-write")).await);
    assert!(error.is_unavailable() && error.to_string().starts_with("cannot use 127.0.0.1:"), "{error:?}");
}

#[tokio::test]
async fn a_host_that_hangs_costs_one_timeout_and_not_the_store() -> delay::Result<()> {
    let (hanging, primary) = (Server::start(), Server::start());
    hanging.freeze();
    let url = hanging.url_with(&[&primary], "connect_timeout=500ms&target_session_attrs=any");
    let store = open(&url).await?;
    store.push(vec![task()]).await?;
    store.close().await?;
    let error = refused(open(&hanging.url("connect_timeout=200ms")).await);
    assert!(error.is_unavailable() && error.to_string().contains("`connect_timeout`"), "{error:?}");
    hanging.thaw();
    Ok(())
}

#[tokio::test]
async fn a_unix_socket_is_a_way_to_the_server() -> delay::Result<()> {
    let server = Server::start();
    let folder = server.socket_folder().display().to_string().replace('/', "%2F");
    let store = open(&format!("postgres://delay@{folder}:{}/jobs", server.port())).await?;
    store.push(vec![task()]).await?;
    store.close().await
}

#[tokio::test]
async fn a_closed_store_leaves_no_connection_and_no_task() -> delay::Result<()> {
    let server = Server::start();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let store = open(&server.url("")).await?;
    store.push(vec![task()]).await?;
    store.close().await?;
    assert_eq!(tasks(), before);
    let gone = "NOT EXISTS (SELECT FROM pg_stat_activity WHERE client_port > 0)";
    server.until("all connections are gone", gone);
    drop(store);
    Ok(())
}

/// All that is logged in this process, by us and by the libraries below.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn start() -> Self {
        let logged = Self::default();
        log::set_boxed_logger(Box::new(logged.clone())).expect("the only one");
        log::set_max_level(log::LevelFilter::Trace);
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_global_default(subscriber.with_writer(move || writer.clone()).finish())
            .expect("the only one");
        logged
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Logged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().expect("no panic").extend_from_slice(format!("{}\n", record.args()).as_bytes());
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn no_error_no_debug_form_and_no_log_tells_a_password() {
    let logged = Logged::start();
    let server = Server::start();
    let port = server.port();
    let file = passfile("127.0.0.1:*:*:*:hush-hush");
    let mut told = Vec::new();
    for url in [
        format!("postgres://delay:hush-hush@127.0.0.1:{port}/jobs"),
        format!("postgres://delay@127.0.0.1:{port}/jobs?password=hush-hush"),
        format!("postgres://delay@127.0.0.1:{port}/jobs?passfile={}", file.display()),
        format!("postgres://delay:hush-hush@127.0.0.1:{port}/nothing"),
        format!("postgres://delay:hush-hush@127.0.0.1:{port}/jobs?sslmode=require"),
        format!("postgres://delay:hush-hush@127.0.0.1:{port}/jobs?sslmode=often"),
        format!("postgres://delay:hush-hush@127.0.0.1:{port}/jobs?shema=x"),
        "postgres://delay:hush-hush@127.0.0.1:1/jobs".to_owned(),
        "postgres://delay:hush-hush/jobs".to_owned(),
        "postgres://delay:a/hush-hush@127.0.0.1/jobs".to_owned(),
        "postgress://delay:hush-hush@127.0.0.1/jobs".to_owned(),
    ] {
        let options = PostgresOptions::new(&url);
        told.push(format!("{options:?}"));
        let error = match delay::Client::open(url.as_str()).await {
            Ok(_) => panic!("the password is wrong, and still: {url}"),
            Err(error) => error,
        };
        told.push(format!("{error} {error:?} {}", error.chain()));
    }
    let store = open(&server.url("")).await.expect("the right password");
    told.push(format!("{store:?}"));
    store.push(vec![task()]).await.expect("added");
    store.close().await.expect("closed");
    let log = logged.text();
    // It is the log of all that happened: the driver tells of each statement.
    assert!(log.contains("preparing query") || log.contains("executing"), "{log}");
    told.push(log);
    for text in &told {
        assert!(!text.contains("hush-hush") && !text.contains("only-for-tests"), "{text}");
    }
    let _ = std::fs::remove_file(file);
}

fn passfile(line: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::temp_dir().join(format!("delay-passfile-{}", delay::TaskId::new()));
    std::fs::write(&path, line).expect("a file");
    std::fs::set_permissions(Path::new(&path), std::fs::Permissions::from_mode(0o600)).expect("a mode");
    path
}

#[tokio::test]
async fn a_missing_password_is_asked_for() {
    let server = Server::start();
    let url = format!("postgres://delay@127.0.0.1:{}/jobs", server.port());
    let error = refused(open(&url).await);
    assert!(error.is_unreadable() && error.to_string().contains("PGPASSWORD"), "{error:?}");
}

#[tokio::test]
async fn a_restarted_server_is_found_again() -> delay::Result<()> {
    let mut server = Server::start();
    let store = open(&server.url("")).await?;
    store.push(vec![task()]).await?;
    server.kill9();
    server.restart();
    let begin = Instant::now();
    while store.push(vec![task()]).await.is_err() {
        assert!(begin.elapsed() < delay_tests::BOUND, "it was not found");
    }
    assert_eq!(server.psql("SELECT count(*) FROM delay.task"), "2");
    store.close().await
}

#[tokio::test]
async fn the_shared_server_serves_stores_of_several_schemas() -> delay::Result<()> {
    let (first, second) = (Schema::fresh(), Schema::fresh());
    let (one, two) = (open(&first.url()).await?, open(&second.url()).await?);
    one.push(vec![task()]).await?;
    assert_eq!(
        (first.psql("SELECT count(*) FROM task"), second.psql("SELECT count(*) FROM task")),
        ("1".to_owned(), "0".to_owned())
    );
    one.close().await?;
    two.close().await
}
