//! The secret that is made when none is set, kept in a file beside the store.
//!
//! The file is readable by its owner alone and appears complete or not at all, so that two processes that start
//! at once end up with the same secret. A file that others can read, or that does not hold what was written into it,
//! is refused rather than used: a secret that somebody else knows signs nothing.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::config::MIN_SECRET_BYTES;

/// Where the secret of the store in the file `store` is kept: beside it, under its name and `.secret`.
#[must_use]
pub fn path_beside(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(".secret");
    store.with_file_name(name)
}

/// The secret file cannot be used. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Reading or writing failed.
    #[error("the secret file {} cannot be used ({source}); make its folder writable or set SESSION_SECRET", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes for a secret; set SESSION_SECRET")]
    Random,
    /// Others than the owner may read the file.
    #[error(
        "the secret file {} can be read by others (mode {mode:03o}); run `chmod 600` on it, or delete it to have a new \
         secret made (which signs everybody out)",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is too short to be a secret.
    #[error(
        "the secret file {} holds no secret of at least {MIN_SECRET_BYTES} bytes; delete it to have a new one made \
         (which signs everybody out)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// A new random secret: 256 bits in hexadecimal digits.
///
/// # Errors
/// [`SecretError::Random`].
pub fn generate() -> Result<String, SecretError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| SecretError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads the secret at `path`, or makes one where there is none. The flag says whether it was made just now.
///
/// # Errors
/// The file cannot be read or written, others can read it, or it holds no secret.
pub fn load_or_create(path: &Path) -> Result<(String, bool), SecretError> {
    let io_error = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    if path.try_exists().map_err(io_error)? {
        return Ok((read(path)?, false));
    }
    let secret = generate()?;
    // A random name, since processes in two containers on one volume may well share a process id.
    let draft = path.with_extension(format!("{}.draft", &generate()?[..16]));
    let written = write_draft(&draft, &secret).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => removed.map(|()| (secret, true)).map_err(io_error),
        // Another process was first: its secret counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.exists() => {
            Ok((read(path)?, false))
        }
        Err(error) => Err(io_error(error)),
    }
}

fn write_draft(draft: &Path, secret: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn read(path: &Path) -> Result<String, SecretError> {
    let io_error = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_err(io_error)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let bytes = fs::read(path).map_err(io_error)?;
    let secret = String::from_utf8(bytes).unwrap_or_default();
    let secret = secret.trim();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(SecretError::Damaged {
            path: path.to_owned(),
        });
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "sessions.db.secret";

    #[test]
    fn stands_beside_the_store() {
        let beside = |store: &str| path_beside(Path::new(store)).display().to_string();
        assert_eq!(beside("data/sessions.db"), "data/sessions.db.secret");
        assert_eq!(beside("shop"), "shop.secret");
    }

    #[test]
    fn is_made_once_and_then_read() {
        let folder = tempfile::tempdir().unwrap();
        let (first, made) = load_or_create(&folder.path().join(FILE)).unwrap();
        assert!(made);
        assert_eq!(first.len(), 64);
        let (second, made) = load_or_create(&folder.path().join(FILE)).unwrap();
        assert!(!made);
        assert!(first == second, "the same secret");
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "no draft stays: {names:?}");
    }

    #[test]
    fn all_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(8);
        let made: Vec<(String, bool)> = std::thread::scope(|scope| {
            let one = || {
                start.wait();
                load_or_create(&folder.path().join(FILE)).unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(made.iter().all(|(secret, _)| *secret == made[0].0));
        assert_eq!(made.iter().filter(|(_, new)| *new).count(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn belongs_to_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        load_or_create(&folder.path().join(FILE)).unwrap();
        let path = folder.path().join(FILE);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&folder.path().join(FILE)).unwrap_err();
        assert!(matches!(error, SecretError::Exposed { mode: 0o644, .. }));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for content in [
            &b""[..],
            b"short",
            b"\xff\xfe not text, whatever its length may be",
        ] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = load_or_create(&folder.path().join(FILE)).unwrap_err();
            assert!(matches!(error, SecretError::Damaged { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_or_create(&folder.path().join("none").join(FILE)).unwrap_err();
        assert!(error.to_string().contains(FILE), "{error}");
    }
}
