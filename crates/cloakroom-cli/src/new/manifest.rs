//! The manifest of a project, from the application's and its workspace's.
//!
//! What the application takes over from its workspace is written out, as `cargo package` would do it. A key that is not known
//! here is an error: it would be lost without a word.

use std::fmt::Write as _;

use toml_edit::{Array, DocumentMut, InlineTable, Item, TableLike, Value};

use super::{
    Failure,
    template::{PACKAGE, WORKSPACE, broken, raw},
};

/// What the browser's tests need; a project has none.
const LEFT_OUT: [&str; 1] = ["fantoccini"];

/// The keys of `[package]` that a project takes over, in this order.
const KEPT: [&str; 5] = [
    "description",
    "version",
    "edition",
    "rust-version",
    "publish",
];

/// The keys of `[package]` that say whose the application is.
const OURS: [&str; 3] = ["name", "license", "authors"];

/// Both manifests, read.
pub(super) struct Manifests {
    package: DocumentMut,
    workspace: DocumentMut,
}

impl Manifests {
    /// Those that the program carries.
    pub(super) fn of_the_template() -> Result<Self, Failure> {
        let read = |path| {
            let text = raw(path)?;
            text.parse::<DocumentMut>()
                .map_err(|error| broken(path, &error.to_string()))
        };
        Ok(Self {
            package: read(PACKAGE)?,
            workspace: read(WORKSPACE)?,
        })
    }

    /// The names of the crates that a project depends on.
    pub(super) fn dependencies(&self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for section in ["dependencies", "dev-dependencies"] {
            let table = table(&self.package, PACKAGE, &[section])?;
            names.extend(table.iter().map(|(name, _)| name.to_owned()));
        }
        Ok(names)
    }

    /// The manifest of the project `name`. `cloakroom` is the crate's folder as Cargo shall find it; without one it is a version.
    /// `vendored`: that folder lies in the project.
    pub(super) fn project(
        &self,
        name: &str,
        cloakroom: Option<&str>,
        vendored: bool,
    ) -> Result<String, Failure> {
        self.refuse_the_unknown()?;
        let mut text = format!("[package]\nname = {}\n", Value::from(name));
        text.push_str(&self.package_keys()?);
        text.push_str(
            "\n# A workspace of its own, also where the folder lies in another one.\n[workspace]\n",
        );
        if vendored {
            text.push_str("exclude = [\"vendor\"]\n");
        }
        let library = table(&self.package, PACKAGE, &["lib"])?;
        text.push_str("\n# The same whatever the project is called, so that no `use` depends on that.\n[lib]\n");
        write_keys(&mut text, library);
        text.push_str("\n[dependencies]\n");
        text.push_str(&self.section("dependencies", cloakroom)?);
        text.push_str("\n[dev-dependencies]\n");
        text.push_str(&self.section("dev-dependencies", cloakroom)?);
        for (path, title) in [
            (["workspace", "lints", "rust"].as_slice(), "lints.rust"),
            (&["workspace", "lints", "clippy"], "lints.clippy"),
            (&["profile", "dev"], "profile.dev"),
            (&["profile", "release"], "profile.release"),
        ] {
            let _ = write!(text, "\n[{title}]\n");
            write_keys(&mut text, table(&self.workspace, WORKSPACE, path)?);
        }
        Ok(text)
    }

    fn refuse_the_unknown(&self) -> Result<(), Failure> {
        let known = [
            "package",
            "lib",
            "lints",
            "dependencies",
            "dev-dependencies",
        ];
        for (section, _) in self.package.iter() {
            if !known.contains(&section) {
                return Err(broken(
                    PACKAGE,
                    &format!("has [{section}], which is not known"),
                ));
            }
        }
        let lints = table(&self.package, PACKAGE, &["lints"])?;
        if lints.len() != 1 || !inherits(lints.get("workspace")) {
            return Err(broken(PACKAGE, "has lints of its own"));
        }
        let package = table(&self.package, PACKAGE, &["package"])?;
        for (key, _) in package.iter() {
            if !KEPT.contains(&key) && !OURS.contains(&key) {
                return Err(broken(
                    PACKAGE,
                    &format!("has package.{key}, which is not known"),
                ));
            }
        }
        Ok(())
    }

    fn package_keys(&self) -> Result<String, Failure> {
        let package = table(&self.package, PACKAGE, &["package"])?;
        let shared = table(&self.workspace, WORKSPACE, &["workspace", "package"])?;
        let mut text = String::new();
        for key in KEPT {
            let own = package.get(key);
            let inherited = own.and_then(Item::as_table_like);
            let item = match inherited {
                Some(table) if inherits(table.get("workspace")) => shared.get(key),
                _ => own,
            };
            let value = item
                .and_then(Item::as_value)
                .ok_or_else(|| broken(PACKAGE, &format!("has no package.{key}")))?;
            let _ = writeln!(text, "{key} = {}", plain(value));
        }
        Ok(text)
    }

    fn section(&self, section: &str, cloakroom: Option<&str>) -> Result<String, Failure> {
        let own = table(&self.package, PACKAGE, &[section])?;
        let shared = table(&self.workspace, WORKSPACE, &["workspace", "dependencies"])?;
        let mut text = String::new();
        for (name, item) in own.iter().filter(|(name, _)| !LEFT_OUT.contains(name)) {
            let unknown = || broken(PACKAGE, &format!("has {section}.{name} in an unknown form"));
            let own = item.as_table_like().ok_or_else(unknown)?;
            let only = |key: &str| key == "workspace" || key == "features";
            if !inherits(own.get("workspace")) || !own.iter().all(|(key, _)| only(key)) {
                return Err(unknown());
            }
            let shared = shared.get(name).and_then(Item::as_value);
            let shared = shared.ok_or_else(|| broken(WORKSPACE, &format!("has no {name}")))?;
            let path = cloakroom.filter(|_| name == "cloakroom");
            let dependency = merged(shared, own.get("features"), path).ok_or_else(unknown)?;
            let _ = writeln!(text, "{name} = {dependency}");
        }
        Ok(text)
    }
}

/// A dependency as the workspace has it, with the features that its user adds. A path of the workspace leads nowhere else: the
/// crate is at `path`, or has the workspace's version.
fn merged(shared: &Value, features: Option<&Item>, path: Option<&str>) -> Option<Value> {
    let mut table = match shared {
        Value::String(version) => InlineTable::from_iter([("version", version.value().as_str())]),
        Value::InlineTable(table) => table.clone(),
        _ => return None,
    };
    if let Some(path) = path {
        table.remove("version");
        table.insert("path", path.into());
    } else if table.remove("path").is_some() {
        let version = table
            .get("version")?
            .as_str()?
            .trim_start_matches('=')
            .to_owned();
        table.insert("version", version.into());
    }
    if let Some(features) = features {
        let mut all = match table.remove("features") {
            Some(Value::Array(array)) => array,
            None => Array::new(),
            Some(_) => return None,
        };
        for feature in features.as_array()? {
            all.push(plain(feature));
        }
        all.fmt();
        table.insert("features", Value::Array(all));
    }
    let version = table.get("version").map(plain);
    match version {
        Some(version) if table.len() == 1 => Some(version),
        _ => {
            table.fmt();
            Some(Value::InlineTable(table).decorated("", ""))
        }
    }
}

/// A value without the white space and the comments that stand around it.
fn plain(value: &Value) -> Value {
    value.clone().decorated("", "")
}

fn inherits(item: Option<&Item>) -> bool {
    item.and_then(Item::as_bool) == Some(true)
}

fn table<'a>(
    document: &'a DocumentMut,
    file: &str,
    path: &[&str],
) -> Result<&'a dyn TableLike, Failure> {
    let mut item = document.as_item();
    for key in path {
        item = item
            .get(key)
            .ok_or_else(|| broken(file, &format!("has no [{}]", path.join("."))))?;
    }
    item.as_table_like()
        .ok_or_else(|| broken(file, &format!("has {} in an unknown form", path.join("."))))
}

fn write_keys(text: &mut String, table: &dyn TableLike) {
    for (key, item) in table.iter() {
        if let Some(value) = item.as_value() {
            let _ = writeln!(text, "{key} = {}", plain(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(package: &str, workspace: &str) -> Result<String, String> {
        let manifests = Manifests {
            package: package.parse().unwrap(),
            workspace: workspace.parse().unwrap(),
        };
        let written = manifests.project("shop", None, false);
        written.map_err(|failure| failure.to_string())
    }

    const OWN: &str = "[package]\nname = \"x\"\ndescription = \"d\"\npublish = false\nversion.workspace = true\n\
        edition.workspace = true\nrust-version.workspace = true\n[lib]\nname = \"app\"\n[lints]\nworkspace = true\n\
        [dependencies]\na.workspace = true\nb = { workspace = true, features = [\"two\"] }\ncloakroom.workspace = true\n\
        [dev-dependencies]\nfantoccini.workspace = true\n";
    const SHARED: &str = "[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\nrust-version = \"1.89\"\n\
        [workspace.dependencies]\na = \"1\"\nb = { version = \"2\", features = [\"one\"] }\n\
        cloakroom = { version = \"=0.1.0\", path = \"crates/cloakroom\" }\nfantoccini = \"1\"\n\
        [workspace.lints.rust]\nunsafe_code = \"forbid\"\n[workspace.lints.clippy]\n[profile.dev]\n# why\n\
        debug = 1 # what\n[profile.release]\n";

    #[test]
    fn what_comes_from_the_workspace_is_written_out() {
        let text = written(OWN, SHARED).unwrap();
        let expected = [
            "name = \"shop\"\n",
            "version = \"0.1.0\"\n",
            "edition = \"2024\"\nrust-version = \"1.89\"\npublish = false\n",
            "[dependencies]\na = \"1\"\nb = { version = \"2\", features = [\"one\", \"two\"] }\ncloakroom = \"0.1.0\"\n\n\
             [dev-dependencies]\n\n",
            "[lints.rust]\nunsafe_code = \"forbid\"\n",
            "[profile.dev]\ndebug = 1\n",
        ];
        for part in expected {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        let cases = [
            (format!("{OWN}[features]\nx = []\n"), "[features]"),
            (OWN.replace("publish", "homepage"), "homepage"),
            (
                OWN.replace("[lints]\nworkspace = true", "[lints]\nrust.x = \"warn\""),
                "lints of its own",
            ),
            (
                OWN.replace("a.workspace = true", "a = \"1\""),
                "dependencies.a",
            ),
            (
                OWN.replace(
                    "a.workspace = true",
                    "a = { workspace = true, optional = true }",
                ),
                "dependencies.a",
            ),
            (OWN.replace("a.workspace", "c.workspace"), "no c"),
            (OWN.replace("[lib]\nname = \"app\"\n", ""), "[lib]"),
        ];
        for (package, expected) in cases {
            let refused = written(&package, SHARED).unwrap_err();
            assert!(refused.contains(expected), "{expected}: {refused}");
        }
    }

    #[test]
    fn the_templates_manifest_becomes_one_without_a_workspace() {
        let manifests = Manifests::of_the_template().unwrap();
        let text = manifests
            .project("shop", Some("/x/crates/cloakroom"), true)
            .unwrap();
        let project: DocumentMut = text.parse().unwrap();
        let cloakroom = project["dependencies"]["cloakroom"]
            .as_inline_table()
            .unwrap();
        assert_eq!(
            cloakroom.get("path").unwrap().as_str(),
            Some("/x/crates/cloakroom")
        );
        assert!(!cloakroom.contains_key("version") && cloakroom.contains_key("features"));
        assert!(!text.contains("workspace = true") && !text.contains("fantoccini"));
        let version = project["package"]["version"].as_str();
        assert_eq!(version, Some(env!("CARGO_PKG_VERSION")));
        assert!(
            manifests
                .dependencies()
                .unwrap()
                .contains(&"axum".to_owned())
        );
    }
}
