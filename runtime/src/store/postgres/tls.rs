//! How a connection is kept from others: which hosts need TLS, what their certificates must prove, and who vouches for
//! them. A server beyond this machine must prove its name unless `sslmode` says otherwise in so many words.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{At, Host};
use super::words::{Words, invalid};
use crate::error::{Error, Kind, Result};

/// How much a connection is protected; libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// No TLS.
    Disable,
    /// TLS if the server has it, with whatever certificate.
    Prefer,
    /// TLS with whatever certificate; with one that is vouched for if `sslrootcert` is given, as in libpq.
    Require,
    /// TLS with a certificate that is vouched for, whatever its name.
    VerifyCa,
    /// TLS with a certificate that is vouched for and has the host's name.
    VerifyFull,
}

/// Who vouches for servers, and who we are.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    mode: Option<Mode>,
    roots: Roots,
    identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Debug)]
enum Roots {
    /// Whom this machine trusts.
    System,
    /// Who is in this file.
    File(PathBuf),
}

impl Tls {
    pub(super) fn read(words: &Words) -> Result<Self> {
        let modes = [
            ("disable", Some(Mode::Disable)),
            ("prefer", Some(Mode::Prefer)),
            ("require", Some(Mode::Require)),
            ("verify-ca", Some(Mode::VerifyCa)),
            ("verify-full", Some(Mode::VerifyFull)),
        ];
        let mode = words.choice("sslmode", None, &modes)?;
        let own = |file: &str| words.at_home(&format!(".postgresql/{file}")).filter(|path| path.exists());
        let roots = match words.get("sslrootcert") {
            Some("system") => Roots::System,
            Some(path) => Roots::File(path.into()),
            None => own("root.crt").map_or(Roots::System, Roots::File),
        };
        let identity = match (words.get("sslcert"), words.get("sslkey")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => own("postgresql.crt").zip(own("postgresql.key")),
            _ => return Err(invalid("`sslcert` and `sslkey` belong together: give both, or neither")),
        };
        let mode = match (mode, &roots) {
            (Some(Mode::Require), Roots::File(_)) => Some(Mode::VerifyCa),
            _ => mode,
        };
        Ok(Self { mode, roots, identity })
    }

    /// How much a connection to this host is protected.
    pub(super) fn mode(&self, host: &Host) -> Mode {
        match (self.mode, &host.at) {
            // PostgreSQL speaks no TLS there, and nobody can listen.
            (_, At::Socket(_)) => Mode::Disable,
            (Some(mode), At::Net { .. }) => mode,
            (None, At::Net { .. }) if host.is_local() => Mode::Disable,
            (None, At::Net { .. }) => Mode::VerifyFull,
        }
    }

    /// What makes the connections of this mode.
    pub(super) fn connector(&self, mode: Mode) -> Result<MakeRustlsConnect> {
        // Named, so that no choice of the program's, nor two of them, can be in the way.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match mode {
            Mode::Disable | Mode::Prefer | Mode::Require => Arc::new(Anybody(Arc::clone(&provider))),
            Mode::VerifyCa => Arc::new(AnyName(self.verifier(&provider)?)),
            Mode::VerifyFull => self.verifier(&provider)?,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| trouble("prepare TLS", error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.identity {
            Some((certificate, key)) if mode != Mode::Disable => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| trouble("use `sslcert`", error))?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
        let mut roots = RootCertStore::empty();
        match &self.roots {
            Roots::File(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| trouble("use `sslrootcert`", error))?;
                }
            }
            // One of many that cannot be read is no reason to trust none.
            Roots::System => {
                _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)
            }
        }
        let roots =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        roots.map_err(|error| {
            let text = "nobody is known who vouches for servers: install the system's certificates (`ca-certificates`), \
                        or name a file with `sslrootcert=`";
            Error::with_source(Kind::Unreadable, text, error)
        })
    }
}

impl Mode {
    /// The driver's word for it; what certificates must prove is the connector's part.
    pub(super) fn ssl(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyCa | Self::VerifyFull => SslMode::Require,
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| unreadable(path, error))?;
    if found.is_empty() {
        return Err(Error::new(
            Kind::Unreadable,
            format!("{} holds no certificate in PEM form", path.display()),
        ));
    }
    Ok(found)
}

fn unreadable(path: &Path, error: rustls::pki_types::pem::Error) -> Error {
    Error::with_source(Kind::Unreadable, format!("cannot read {} as PEM", path.display()), error)
}

fn trouble(act: &str, error: rustls::Error) -> Error {
    Error::with_source(Kind::InvalidOption, format!("cannot {act}"), error)
}

/// Takes a certificate that is vouched for under any name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end, between, name, ocsp, now) {
            // The name is looked at last: everything else was right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, end, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, end, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Takes any certificate: `sslmode` has said in so many words that it proves nothing.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            end,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            end,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::*;

    fn mode(url: &str) -> Mode {
        let words = Words::parse(url, &|_| None).unwrap();
        Tls::read(&words).unwrap().mode(&Address::read(&words).unwrap().hosts[0])
    }

    #[test]
    fn a_server_beyond_this_machine_must_prove_its_name_unless_told_otherwise() {
        for (url, expected) in [
            ("postgres://db.example.com/jobs", Mode::VerifyFull),
            ("postgres://10.0.0.1/jobs", Mode::VerifyFull),
            ("postgres://localhost/jobs?hostaddr=10.0.0.1", Mode::VerifyFull),
            ("postgres://db.example.com/jobs?sslmode=prefer", Mode::Prefer),
            ("postgres://db.example.com/jobs?sslmode=require", Mode::Require),
            ("postgres://db.example.com/jobs?sslmode=require&sslrootcert=ca.pem", Mode::VerifyCa),
            ("postgres://db.example.com/jobs?sslmode=disable", Mode::Disable),
            ("postgres://localhost/jobs", Mode::Disable),
            ("postgres://localhost/jobs?sslmode=verify-full", Mode::VerifyFull),
            ("postgres://%2Frun%2Fpg/jobs?sslmode=verify-full", Mode::Disable),
        ] {
            assert_eq!(mode(url), expected, "{url}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let words = Words::parse("postgres://h/jobs?sslcert=me.pem", &|_| None).unwrap();
        assert!(Tls::read(&words).unwrap_err().to_string().contains("`sslkey`"));
    }

    #[test]
    fn a_file_of_certificates_that_is_none_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = format!("postgres://h/jobs?sslrootcert={}", file.path().display());
        let words = Words::parse(&url, &|_| None).unwrap();
        let error = Tls::read(&words).unwrap().connector(Mode::VerifyFull).err().unwrap();
        assert!(error.to_string().contains(&*file.path().to_string_lossy()), "{error}");
    }
}
