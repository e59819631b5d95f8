//! The secrets that sign cookies: from SESSION_SECRET or from a file, never from the command line, and never shown.

use std::{fmt, fs, path::PathBuf};

use clap::Args;
use cloakroom::Secrets;

use crate::{failure::Failure, store::Environment};

/// Where the secrets are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SecretArgs {
    /// A file with the secrets, one a line, the one that signs first [default: the variable SESSION_SECRET, several separated
    /// by commas]
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
}

/// A file of secrets is not longer than this.
const LONGEST: u64 = 64 * 1024;

/// Secrets as text, the signing one first. `Debug` says how many.
#[derive(Clone)]
pub(crate) struct SecretTexts(Vec<String>);

impl fmt::Debug for SecretTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretTexts({} hidden)", self.0.len())
    }
}

impl SecretTexts {
    /// The secrets; `None` if there are none.
    pub(crate) fn read(args: &SecretArgs, env: &dyn Environment) -> Result<Option<Self>, Failure> {
        if let Some(path) = &args.secret_file {
            let shown = path.display();
            let failed =
                |error| Failure::file(format_args!("--secret-file {shown} cannot be read"), &error);
            let length = fs::metadata(path).map_err(failed)?.len();
            if length > LONGEST {
                return Err(Failure::usage(format!(
                    "--secret-file {shown} is longer than any list of secrets; name another"
                )));
            }
            let text = fs::read_to_string(path).map_err(failed)?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            return Self::of(lines, &format!("--secret-file {shown}")).map(Some);
        }
        match env.get("SESSION_SECRET")? {
            Some(text) => Self::of(text.split(','), "SESSION_SECRET").map(Some),
            None => Ok(None),
        }
    }

    /// The secrets.
    ///
    /// # Errors
    ///
    /// There are none, or one cannot be.
    pub(crate) fn need(args: &SecretArgs, env: &dyn Environment) -> Result<Self, Failure> {
        Self::read(args, env)?.ok_or_else(|| {
            Failure::usage("there is no secret: set SESSION_SECRET as for the application, or give --secret-file")
        })
    }

    fn of<'a>(texts: impl Iterator<Item = &'a str>, named_by: &str) -> Result<Self, Failure> {
        let texts: Vec<_> = texts.map(|text| text.trim().to_owned()).collect();
        match Secrets::new(texts.iter().map(String::as_str)) {
            Ok(_) => Ok(Self(texts)),
            Err(error) => Err(Failure::usage(format!("{named_by}: {error}"))),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The length of the shortest in bytes.
    pub(crate) fn shortest(&self) -> usize {
        self.0.iter().map(String::len).min().unwrap_or(0)
    }

    /// All of them as one ring.
    pub(crate) fn ring(&self) -> Result<Secrets, Failure> {
        Ok(Secrets::new(self.0.iter().map(String::as_str))?)
    }

    /// Each by itself, in order.
    pub(crate) fn each(&self) -> impl Iterator<Item = Result<Secrets, Failure>> {
        self.0.iter().map(|text| Ok(Secrets::new([text.as_str()])?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn secrets_come_from_the_variable_or_a_file_and_are_never_shown() {
        let none = HashMap::new();
        assert!(
            SecretTexts::read(&SecretArgs::default(), &none)
                .unwrap()
                .is_none()
        );
        assert!(SecretTexts::need(&SecretArgs::default(), &none).is_err());
        let env = HashMap::from([("SESSION_SECRET", "hunter2, hunter3")]);
        let secrets = SecretTexts::need(&SecretArgs::default(), &env).unwrap();
        assert_eq!((secrets.len(), secrets.shortest()), (2, 7));
        assert!(!format!("{secrets:?}").contains("hunter"));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "swordfish\n\nhunter2\r\n").unwrap();
        let args = SecretArgs {
            secret_file: Some(file.path().to_owned()),
        };
        let secrets = SecretTexts::need(&args, &env).unwrap();
        let same = Secrets::new(["swordfish", "hunter2"]).unwrap();
        assert_eq!(secrets.ring().unwrap().mac("id"), same.mac("id"));
        let hole = HashMap::from([("SESSION_SECRET", "hunter2,,x")]);
        let failure = SecretTexts::need(&SecretArgs::default(), &hole)
            .unwrap_err()
            .to_string();
        assert!(
            failure.contains("SESSION_SECRET") && !failure.contains("hunter"),
            "{failure}"
        );
        let missing = SecretArgs {
            secret_file: Some("/nowhere/secrets".into()),
        };
        let failure = SecretTexts::need(&missing, &env).unwrap_err().to_string();
        assert!(failure.contains("/nowhere/secrets"), "{failure}");
    }
}
