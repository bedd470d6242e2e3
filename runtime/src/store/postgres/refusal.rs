//! Why a connection could not be made, and what to do about it. What the server itself says is for `fault`.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use super::address::Host;
use super::fault::fault;
use crate::error::{Error, Kind};

/// The error of a try to connect.
pub(super) fn refusal(host: &Host, error: tokio_postgres::Error) -> Error {
    let act = format!("connect to {host}");
    match reason(&error) {
        Some((kind, advice)) => Error::with_source(kind, format!("cannot {act}: {advice}"), error),
        None => fault(&act, error),
    }
}

/// The error of a host that is not there, or cannot be found.
pub(super) fn absence(host: &Host, error: io::Error) -> Error {
    Error::with_source(Kind::Unavailable, format!("cannot connect to {host}: nobody answers there"), error)
}

/// The error of a host that a store cannot live on.
pub(super) fn standby(host: &Host) -> Error {
    let text = format!(
        "cannot use {host}: it is a standby, or its database is read-only, and takes no writes: name the primary, too, \
         or promote this one"
    );
    Error::new(Kind::Unavailable, text)
}

/// A server that takes connections and says nothing, or no server at all.
pub(super) fn silence(host: &Host, limit: Duration) -> Error {
    let text = format!("cannot connect to {host}: there was no session within {limit:?} (`connect_timeout`)");
    Error::new(Kind::Unavailable, text)
}

fn reason(error: &tokio_postgres::Error) -> Option<(Kind, &'static str)> {
    if error.as_db_error().is_some() {
        return None;
    }
    let cause = error.source()?;
    let io = cause.downcast_ref::<io::Error>();
    if io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<rustls::Error>()) {
        let text = "the server does not prove who it is: name who vouches for it with `sslrootcert=`, use the name that \
                    is in its certificate, or say with `sslmode=` what is enough for you";
        return Some((Kind::Unreadable, text));
    }
    match (cause.to_string().as_str(), io) {
        ("password missing", _) => Some((
            Kind::Unreadable,
            "the server wants a password: set PGPASSWORD, or write one into the store URL or a passfile",
        )),
        ("server does not support TLS", _) => Some((
            Kind::Unreadable,
            "a server beyond this machine must speak TLS: turn `ssl` on there, or say `sslmode=disable` if the way to it \
             is safe",
        )),
        (_, Some(_)) => Some((Kind::Unavailable, "it ended the connection while it began")),
        // Neither the way nor the server: the two do not speak the same language.
        (_, None) => Some((Kind::Unreadable, "the server asks for what this program cannot do")),
    }
}
