//! Where the server is and how to sign in: hosts in the order in which they are tried, user, database, patience. A
//! value that was checked when it was made; it connects to nothing, and its `Debug` shows no password.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;

use super::passfile::{self, Whom};
use super::secret::Secret;
use super::words::{Words, invalid};
use crate::error::Result;

const SECOND: Duration = Duration::from_secs(1);

/// One or more servers, of which one is to be found that takes writes.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) hosts: Vec<Host>,
    /// The most time that one host may take from the first packet to the first answer of a session.
    pub(super) connect_timeout: Duration,
    pub(super) order: Order,
    user: Option<String>,
    database: Option<String>,
    application: String,
    options: Option<String>,
    pub(super) target: Target,
    channel_binding: ChannelBinding,
    pub(super) keepalive: Option<Keepalive>,
    /// How long sent bytes may stay without the other machine's acknowledgement; zero leaves it to the system.
    pub(super) user_timeout: Duration,
}

/// What a session must be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Whatever it can.
    Any,
    /// To write: a store has to be written to, so there is no choosing a standby.
    Writes,
}

/// In which order the hosts are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As written, but the one that answered last comes first.
    Written,
    /// By chance.
    Random,
}

/// When a silent server is asked whether it lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keepalive {
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
}

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) at: At,
    pub(super) port: u16,
    password: Option<Secret>,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Through a socket in this folder.
    Socket(PathBuf),
    /// Over the net: the name that its certificate must have, and its address if that is not to be looked up.
    Net { name: String, address: Option<IpAddr> },
}

impl Address {
    pub(super) fn read(words: &Words) -> Result<Self> {
        let names = words.list("host");
        let hosts = hosts(words, &names)?;
        let many = hosts.len() > 1;
        let target = if many { Target::Writes } else { Target::Any };
        let targets = [("any", Target::Any), ("read-write", Target::Writes), ("primary", Target::Writes)];
        let bindings = [
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ];
        let keepalive = Keepalive {
            idle: words.length("keepalives_idle", SECOND, 5 * SECOND)?,
            interval: words.length("keepalives_interval", SECOND, 2 * SECOND)?,
            count: words
                .number("keepalives_count", 1)?
                .map_or(3, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        };
        let keeps = words.choice("keepalives", true, &[("1", true), ("0", false)])?;
        Ok(Self {
            hosts,
            connect_timeout: words.length("connect_timeout", SECOND, 5 * SECOND)?.max(SECOND / 10),
            order: words.choice(
                "load_balance_hosts",
                Order::Written,
                &[("disable", Order::Written), ("random", Order::Random)],
            )?,
            user: words.get("user").map(str::to_owned),
            database: words.get("dbname").map(str::to_owned),
            application: words.get("application_name").unwrap_or("delay").to_owned(),
            options: words.get("options").map(str::to_owned),
            target: words.choice("target_session_attrs", target, &targets)?,
            channel_binding: words.choice("channel_binding", ChannelBinding::Prefer, &bindings)?,
            keepalive: keeps.then_some(keepalive),
            user_timeout: words.length("tcp_user_timeout", Duration::from_millis(1), 10 * SECOND)?,
        })
    }

    /// What the driver needs to know once there is a wire to one of the hosts; TLS is the caller's part.
    pub(super) fn config(&self, host: &Host) -> Config {
        let mut config = Config::new();
        config.application_name(&self.application).channel_binding(self.channel_binding);
        self.user.as_ref().map(|user| config.user(user));
        self.database.as_ref().map(|database| config.dbname(database));
        self.options.as_ref().map(|options| config.options(options));
        host.password.as_ref().map(|password| config.password(password.expose()));
        config
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, host) in self.hosts.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            host.fmt(f)?;
        }
        Ok(())
    }
}

impl Host {
    /// The name that its certificate must have.
    pub(super) fn name(&self) -> &str {
        match &self.at {
            At::Socket(_) => "",
            At::Net { name, .. } => name,
        }
    }

    /// Whether the way to it leaves this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.at {
            At::Socket(_) => true,
            At::Net { address: Some(address), .. } => address.is_loopback(),
            At::Net { name, address: None } => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Socket(folder) => write!(f, "{}/.s.PGSQL.{}", folder.display(), self.port),
            At::Net { name, .. } if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            At::Net { name, .. } => write!(f, "{name}:{}", self.port),
        }
    }
}

fn hosts(words: &Words, names: &[&str]) -> Result<Vec<Host>> {
    let (addresses, ports) = (words.list("hostaddr"), words.list("port"));
    let count = names.len().max(addresses.len()).max(1);
    if !addresses.is_empty() && !names.is_empty() && addresses.len() != names.len() {
        return Err(invalid("`hostaddr` needs one address for each host"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(invalid("`port` needs one number for all hosts, or one for each"));
    }
    let mut found = Vec::with_capacity(count);
    for index in 0..count {
        let port = port(ports.get(index).or(if ports.len() == 1 { ports.first() } else { None }))?;
        let at = at(names.get(index).copied(), addresses.get(index).copied(), port)?;
        let password = password(words, &at, port);
        found.push(Host { at, port, password });
    }
    Ok(found)
}

fn port(said: Option<&&str>) -> Result<u16> {
    match said {
        None | Some(&"") => Ok(5432),
        // What stands there is not repeated: behind a colon, it may be a piece of a password.
        Some(said) => said.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            invalid(
                "a port in the store URL is not a number from 1 to 65535; in a user's name or a password write `%3A` \
                 for `:`, `%40` for `@`, `%2C` for `,` and `%2F` for `/`",
            )
        }),
    }
}

fn at(name: Option<&str>, address: Option<&str>, port: u16) -> Result<At> {
    let address = match address.filter(|address| !address.is_empty()) {
        None => None,
        Some(said) => Some(said.parse().map_err(|_| {
            invalid(format!("`hostaddr={said}` is not an IP address: a name belongs into `host`"))
        })?),
    };
    match (name.filter(|name| !name.is_empty()), address) {
        (Some(path), None) if path.starts_with('/') => Ok(At::Socket(path.into())),
        (Some(name), address) => Ok(At::Net { name: name.to_owned(), address }),
        (None, Some(address)) => Ok(At::Net { name: address.to_string(), address: Some(address) }),
        (None, None) => Ok(nearest(port)),
    }
}

/// The server of this machine: through its socket where one lies, else over the loopback.
fn nearest(port: u16) -> At {
    let folders = ["/var/run/postgresql", "/tmp"].map(Path::new);
    let with_socket = folders.into_iter().find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists());
    match with_socket {
        Some(folder) => At::Socket(folder.to_owned()),
        None => At::Net { name: "localhost".to_owned(), address: None },
    }
}

fn password(words: &Words, at: &At, port: u16) -> Option<Secret> {
    if let Some(password) = words.get("password") {
        return Some(Secret::new(password));
    }
    let path = words.get("passfile").map(PathBuf::from).or_else(|| words.at_home(".pgpass"))?;
    let user = words.get("user").or(words.login())?;
    let socket;
    let host = match at {
        At::Socket(folder) if folder.starts_with("/var/run/postgresql") || folder == Path::new("/tmp") => {
            "localhost"
        }
        At::Socket(folder) => {
            socket = folder.to_string_lossy();
            &socket
        }
        At::Net { name, .. } => name,
    };
    passfile::look_up(&path, &Whom { host, port, database: words.get("dbname").unwrap_or(user), user })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address> {
        Address::read(&Words::parse(url, &|_| None)?)
    }

    #[test]
    fn hosts_keep_their_order_and_their_ports() {
        let address = read("postgres://h1:5433,h2,[::1]:5435/jobs").unwrap();
        assert_eq!(address.to_string(), "h1:5433, h2:5432, [::1]:5435");
        assert_eq!(address.target, Target::Writes);
        let address = read("postgres://h1,h2/jobs?port=6000&target_session_attrs=any").unwrap();
        assert_eq!(address.to_string(), "h1:6000, h2:6000");
        assert_eq!(address.target, Target::Any);
    }

    #[test]
    fn what_stays_on_this_machine_is_known() {
        for (url, local) in [
            ("postgres://localhost/jobs", true),
            ("postgres://127.8.9.1/jobs", true),
            ("postgres://[::1]/jobs", true),
            ("postgres://%2Frun%2Fpg/jobs", true),
            ("postgres://db.example.com/jobs", false),
            ("postgres://db.example.com/jobs?hostaddr=127.0.0.1", true),
            ("postgres://localhost/jobs?hostaddr=10.0.0.1", false),
            ("postgres://127.0.0.1.example.com/jobs", false),
        ] {
            assert_eq!(read(url).unwrap().hosts[0].is_local(), local, "{url}");
        }
    }

    #[test]
    fn no_form_of_an_address_shows_the_password() {
        let address = read("postgres://ada:hush@h1,h2/jobs").unwrap();
        let host = &address.hosts[1];
        assert_eq!(address.config(host).get_password(), Some(b"hush".as_slice()));
        for text in [format!("{address:?}"), format!("{address}"), format!("{:?}", address.config(host))] {
            assert!(!text.contains("hush"), "{text}");
        }
        assert!(format!("{address:?}").contains("(hidden)"));
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_repeated_by_the_error() {
        let error = read("postgres://ada:hush").unwrap_err();
        assert!(error.to_string().contains("port"), "{error}");
        assert!(!error.chain().contains("hush"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_password_comes_from_the_file_that_the_environment_names() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "h2:5432:jobs:ada:hush\n").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let path = file.path().to_string_lossy().into_owned();
        let environment = |name: &str| (name == "PGPASSFILE").then(|| path.clone());
        let words = Words::parse("postgres://ada@h1,h2/jobs", &environment).unwrap();
        let hosts = Address::read(&words).unwrap().hosts;
        assert_eq!(hosts[0].password, None);
        assert_eq!(hosts[1].password, Some(Secret::new("hush")));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (url, teaches) in [
            ("postgres://h:0/jobs", "from 1 to 65535"),
            ("postgres://h1,h2/jobs?port=1,2,3", "one for each"),
            ("postgres://h/jobs?hostaddr=name", "belongs into `host`"),
            ("postgres://h/jobs?target_session_attrs=standby", "`read-write`"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.is_invalid_option() && error.to_string().contains(teaches), "{error}");
        }
    }
}
