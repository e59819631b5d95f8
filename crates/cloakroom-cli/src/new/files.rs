//! Writing a project: all of it, or nothing.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{Failure, template::File};

/// What has been made so far, in this order. Dropped before [`keep`](Made::keep), everything is taken away again.
#[derive(Debug, Default)]
pub(super) struct Made {
    paths: Vec<PathBuf>,
}

impl Made {
    /// Writes every file, and makes the folders on the way. No file that is there is overwritten.
    pub(super) fn write(&mut self, folder: &Path, files: &[File]) -> Result<(), Failure> {
        for file in files {
            let path = folder.join(&file.path);
            if let Some(parent) = path.parent() {
                self.folder(parent)?;
            }
            self.file(&path, file).map_err(|error| {
                let left = self.take_away();
                Failure::file(
                    format_args!("{} cannot be written{left}", path.display()),
                    &error,
                )
            })?;
        }
        Ok(())
    }

    /// Makes a folder and those above it, where they are missing.
    pub(super) fn folder(&mut self, folder: &Path) -> Result<(), Failure> {
        let mut missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.is_dir())
            .collect();
        while let Some(path) = missing.pop() {
            fs::create_dir(path).map_err(|error| {
                let left = self.take_away();
                Failure::file(
                    format_args!("the folder {} cannot be made{left}", path.display()),
                    &error,
                )
            })?;
            self.paths.push(path.to_owned());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, file: &File) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if file.is_program() {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
        }
        let mut opened = options.open(path)?;
        self.paths.push(path.to_owned());
        opened.write_all(file.text.as_bytes())
    }

    /// The project is complete.
    pub(super) fn keep(mut self) {
        self.paths.clear();
    }

    /// Takes everything away, and answers with what a message should say of it.
    pub(super) fn take_away(&mut self) -> String {
        let mut left = None;
        while let Some(path) = self.paths.pop() {
            let removed = if path.is_dir() {
                fs::remove_dir(&path)
            } else {
                fs::remove_file(&path)
            };
            if removed.is_err() {
                left = Some(path);
            }
        }
        left.map_or_else(
            || "; nothing was left behind".to_owned(),
            |path| format!("; {} is left behind and can be removed", path.display()),
        )
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.take_away();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_half_way_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("a/b");
        let files = [File::new("src/one.rs", "1"), File::new("src/one.rs", "2")];
        let mut made = Made::default();
        let failure = made.write(&project, &files).unwrap_err().to_string();
        assert!(
            failure.contains("one.rs cannot be written; nothing was left behind"),
            "{failure}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_taken_away_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("a");
        let mut made = Made::default();
        made.write(&project, &[File::new("src/one.rs", "1")])
            .unwrap();
        fs::write(project.join("mine"), "not the generator's").unwrap();
        let said = made.take_away();
        assert!(
            said.contains(&format!("{} is left behind", project.display())),
            "{said}"
        );
        assert!(!project.join("src").exists() && project.join("mine").exists());
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b"), "mine").unwrap();
        let mut made = Made::default();
        let files = [File::new("a", "new"), File::new("b", "new")];
        assert!(made.write(folder.path(), &files).is_err());
        drop(made);
        assert_eq!(fs::read_to_string(folder.path().join("b")).unwrap(), "mine");
        assert!(!folder.path().join("a").exists());
    }
}
