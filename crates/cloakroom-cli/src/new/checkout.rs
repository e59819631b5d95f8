//! A checkout of cloakroom whose crates a project uses, as long as they are not on crates.io.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use toml_edit::{Array, DocumentMut, Item, TableLike};

use super::{Failure, template::File};

/// The folder of a project that has the copies.
pub(super) const VENDOR: &str = "vendor/cloakroom";

/// A checkout, looked at.
#[derive(Debug)]
pub(super) struct Checkout {
    root: PathBuf,
    manifest: DocumentMut,
}

impl Checkout {
    /// Opens the checkout in a folder.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::usage(format!("--path {}: {why}", folder.display()));
        let root = folder
            .canonicalize()
            .map_err(|error| refuse(&format!("the folder cannot be found: {error}")))?;
        let crate_manifest = root.join("crates/cloakroom/Cargo.toml");
        let manifest = fs::read_to_string(root.join("Cargo.toml"));
        let (true, Ok(manifest)) = (crate_manifest.is_file(), manifest) else {
            return Err(refuse(
                "this is no checkout of cloakroom: there is no Cargo.toml beside a crates/cloakroom",
            ));
        };
        let manifest: DocumentMut = manifest
            .parse()
            .map_err(|error| refuse(&format!("its Cargo.toml cannot be read: {error}")))?;
        let version = manifest
            .get("workspace")
            .and_then(|item| item.get("package"))
            .and_then(|item| item.get("version"))
            .and_then(Item::as_str);
        let ours = env!("CARGO_PKG_VERSION");
        if version != Some(ours) {
            let found = version.unwrap_or("unknown");
            return Err(refuse(&format!(
                "the checkout's version is {found} and this program's is {ours}; use the checkout's own program: \
                 cargo run -p cloakroom-cli -- new ..."
            )));
        }
        Ok(Self { root, manifest })
    }

    /// The folder of the crate `cloakroom`, for a manifest.
    pub(super) fn cloakroom(&self) -> Result<String, Failure> {
        let path = self.root.join("crates/cloakroom");
        path.to_str().map(str::to_owned).ok_or_else(|| {
            Failure::usage(format!(
                "--path {}: a manifest holds Unicode text, and this path is none",
                self.root.display()
            ))
        })
    }

    /// Copies of the crates that `cloakroom` is made of, below [`VENDOR`], in a workspace of their own.
    pub(super) fn copies(&self) -> Result<Vec<File>, Failure> {
        let members = self.members()?;
        let mut files = vec![File::new(
            format!("{VENDOR}/Cargo.toml"),
            self.workspace_of(&members),
        )];
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            files.push(self.copy(Path::new(license))?);
        }
        for member in &members {
            files.push(self.copy(&Path::new(member).join("Cargo.toml"))?);
            self.copy_sources(&Path::new(member).join("src"), &mut files)?;
        }
        Ok(files)
    }

    /// The folders of `cloakroom` and of whatever it depends on here.
    fn members(&self) -> Result<Vec<String>, Failure> {
        let mut members = vec!["crates/cloakroom".to_owned()];
        let mut next = 0;
        while let Some(member) = members.get(next) {
            next += 1;
            let path = self.root.join(member).join("Cargo.toml");
            let unreadable = |error: &dyn std::fmt::Display| {
                Failure::usage(format!(
                    "--path: {} cannot be read: {error}",
                    path.display()
                ))
            };
            let text = fs::read_to_string(&path).map_err(|error| unreadable(&error))?;
            let manifest: DocumentMut = text.parse().map_err(|error| unreadable(&error))?;
            let dependencies = manifest.get("dependencies").and_then(Item::as_table_like);
            for (name, _) in dependencies.into_iter().flat_map(TableLike::iter) {
                if let Some(folder) = self.folder_of(name)
                    && !members.contains(&folder)
                {
                    members.push(folder);
                }
            }
        }
        Ok(members)
    }

    /// Where a crate of the checkout lies.
    fn folder_of(&self, name: &str) -> Option<String> {
        let shared = self
            .manifest
            .get("workspace")?
            .get("dependencies")?
            .get(name)?;
        Some(shared.get("path")?.as_str()?.to_owned())
    }

    fn workspace_of(&self, members: &[String]) -> String {
        let mut manifest = self.manifest.clone();
        let workspace = manifest
            .get_mut("workspace")
            .and_then(Item::as_table_like_mut);
        if let Some(workspace) = workspace {
            workspace.remove("default-members");
            set_members(workspace, members);
        }
        manifest.to_string()
    }

    fn copy_sources(&self, folder: &Path, files: &mut Vec<File>) -> Result<(), Failure> {
        let listed = fs::read_dir(self.root.join(folder)).and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut names = listed.map_err(|error| self.unreadable(folder, &error))?;
        names.sort();
        // An editor's own files begin with a dot.
        names.retain(|name| !name.to_string_lossy().starts_with('.'));
        for name in names {
            let path = folder.join(name);
            if self.root.join(&path).is_dir() {
                self.copy_sources(&path, files)?;
            } else {
                files.push(self.copy(&path)?);
            }
        }
        Ok(())
    }

    fn copy(&self, path: &Path) -> Result<File, Failure> {
        let text = fs::read_to_string(self.root.join(path));
        let text = text.map_err(|error| self.unreadable(path, &error))?;
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        Ok(File::new(format!("{VENDOR}/{}", parts.join("/")), text))
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> Failure {
        let path = self.root.join(path);
        Failure::file(
            format_args!("--path: {} cannot be read", path.display()),
            error,
        )
    }
}

fn set_members(workspace: &mut dyn TableLike, members: &[String]) {
    let members: Array = members.iter().collect();
    workspace.insert("members", members.into());
}
