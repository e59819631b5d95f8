//! TLS: whom to trust, and who we are.

use std::{fmt, sync::Arc};

use cloakroom_core::{Error, ErrorKind};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// Text that holds certificates or a key.
type Pem = Arc<[u8]>;

/// How to speak TLS with the server: by default with any server whose certificate an authority of this machine has signed
/// for the server's host. Certificates are always checked.
#[derive(Clone, Default)]
#[must_use]
pub struct Tls {
    authorities: Option<Pem>,
    identity: Option<(Pem, Pem)>,
}

impl Tls {
    /// The authorities of this machine, and no certificate of our own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these authorities alone, in PEM.
    pub fn authorities(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.authorities = Some(pem.as_ref().into());
        self
    }

    /// Shows this certificate (with its chain) to the server and proves it with the key, both in PEM.
    pub fn client_certificate(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some((chain.as_ref().into(), key.as_ref().into()));
        self
    }

    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("no protocol version is left").with_source(error))?
            .with_root_certificates(self.roots()?);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain, "`client_certificate`'s chain")?;
                // The cause is left out: it may repeat what stands in the key's file.
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| wrong("`client_certificate`'s key is no private key in PEM"))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|_| wrong("`client_certificate`'s key does not belong to its chain"))?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = &self.authorities {
            for certificate in certificates(pem, "`authorities`")? {
                roots.add(certificate).map_err(|error| {
                    wrong("`authorities` has a certificate that cannot be used").with_source(error)
                })?;
            }
        } else {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(wrong(
                    "this machine has no certificate authorities; install them (ca-certificates) or set `authorities`",
                ));
            }
        }
        Ok(roots)
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(&format!("{what} holds no certificate in PEM"))),
    }
}

#[cold]
fn wrong(what: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("TLS of the session store: {what}"),
    )
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("own_authorities", &self.authorities.is_some())
            .field("client_certificate", &self.identity.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_and_no_key_is_named() {
        let text = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
        for (tls, says) in [
            (Tls::new().authorities(""), "`authorities`"),
            (Tls::new().authorities(text), "`authorities`"),
            (Tls::new().client_certificate("", text), "chain"),
        ] {
            let error = tls.config().unwrap_err();
            let shown = format!("{error} {error:?} {tls:?}");
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(
                shown.contains(says) && !shown.contains("hunter2"),
                "{shown}"
            );
        }
    }
}
