//! A cluster as `initdb` makes it, with our configuration and access rules, before a server runs on it.

use std::path::{Path, PathBuf};

use super::programs::{User, run};

/// Who owns the cluster, and how they sign in. It is no secret: the server hears this machine alone.
pub(super) const USER: &str = "delay";
pub(super) const PASSWORD: &str = "only-for-tests";
pub(super) const DATABASE: &str = "jobs";

/// What a server promises about what it has acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promise {
    /// Nothing beyond the death of its processes: `fsync = off`. Fast, and right wherever power loss is not the subject.
    #[default]
    Nothing,
    /// All of it, as a production server: `fsync = on`, `full_page_writes = on`.
    Disk,
}

/// How a server is made.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// What it promises.
    pub promise: Promise,
    /// Lines of its configuration, such as `("max_connections", "20")`; they overrule ours.
    pub settings: Vec<(&'static str, String)>,
    /// Lines for the head of `pg_hba.conf`, such as `hostssl all all 127.0.0.1/32 cert`.
    pub access: Vec<String>,
    /// What it proves itself with; without, it speaks no TLS.
    pub certificate: Option<Certificate>,
    /// The folder in which it lives, such as a small file system; else where temporary files go.
    pub place: Option<PathBuf>,
}

/// What a server proves itself with, as PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Its certificate, and those between it and who vouches for it.
    pub chain: String,
    /// Its key.
    pub key: String,
    /// Who vouches for clients.
    pub clients: String,
}

/// Makes the cluster: data, configuration, access.
pub(super) fn make(folder: &Path, setup: &Setup) {
    let (data, secret) = (folder.join("data"), folder.join("secret"));
    write(&secret, PASSWORD);
    let mut command = User::of_servers().command("initdb");
    // The password goes over the loopback in the clear: a hash would cost each of the tests' many connections more.
    command.args(["-U", USER, "-E", "UTF8", "--locale=C", "--auth-local=trust", "--auth-host=password"]);
    command.args(["--no-sync", "--no-instructions"]).arg("--pwfile").arg(&secret).arg("-D").arg(&data);
    run(&mut command);
    std::fs::remove_file(secret).expect("removed");
    append(&data.join("postgresql.conf"), &configuration(setup));
    if let Some(Certificate { chain, key, clients }) = &setup.certificate {
        let lines = [("ssl_cert_file", chain), ("ssl_key_file", key), ("ssl_ca_file", clients)].map(
            |(name, text)| {
                let path = folder.join(name);
                write(&path, text);
                format!("{name} = '{}'\n", path.display())
            },
        );
        append(&data.join("postgresql.conf"), &format!("ssl = on\n{}", lines.concat()));
    }
    if !setup.access.is_empty() {
        let path = data.join("pg_hba.conf");
        let rest = std::fs::read_to_string(&path).expect("its access rules");
        std::fs::write(&path, format!("{}\n{rest}", setup.access.join("\n"))).expect("its access rules");
    }
}

fn configuration(setup: &Setup) -> String {
    let promise = match setup.promise {
        Promise::Nothing => "off",
        Promise::Disk => "on",
    };
    let mut text = format!(
        "listen_addresses = '127.0.0.1'\nmax_connections = 200\nshared_buffers = '64MB'\nwal_level = replica\n\
         wal_keep_size = '256MB'\nhot_standby = on\nfsync = {promise}\nfull_page_writes = {promise}\n\
         log_line_prefix = '%m [%p] %a '\n"
    );
    for (name, value) in &setup.settings {
        text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
    }
    text
}

pub(super) fn append(path: &Path, text: &str) {
    let rest = std::fs::read_to_string(path).expect("a configuration file");
    std::fs::write(path, format!("{rest}\n{text}")).expect("a configuration file");
}

/// A file that is the server's alone.
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    User::of_servers().give_file(path);
}
