//! TLS: the certificate and its key, read from files, and read again when they have been renewed.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
    },
};

/// Where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and what stands between it and its root, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why TLS cannot begin, or go on with new files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A file does not hold what it is named for.
    #[error("{path} holds no {what} in PEM", path = path.display())]
    Empty {
        /// Which.
        path: PathBuf,
        /// A certificate, or a private key.
        what: &'static str,
    },
    /// The two do not belong together, or are of no kind that is spoken here.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// See the [module](self).
pub struct Tls {
    files: TlsFiles,
    acceptor: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Tls, TlsError> {
        let acceptor = RwLock::new(acceptor(&files)?);
        Ok(Tls { files, acceptor })
    }

    /// Reads the files again: for new connections. Where that fails, the old certificate stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = acceptor(&self.files)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let failed = |path: &PathBuf, what, error| match error {
        pem::Error::Io(reason) => TlsError::Io {
            path: path.clone(),
            reason,
        },
        _ => TlsError::Empty {
            path: path.clone(),
            what,
        },
    };
    let no_certificate = |error| failed(&files.cert, "certificate", error);
    let chain = CertificateDer::pem_file_iter(&files.cert).map_err(no_certificate)?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(no_certificate)?;
    if chain.is_empty() {
        return Err(no_certificate(pem::Error::NoItemsFound));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, "private key", error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
