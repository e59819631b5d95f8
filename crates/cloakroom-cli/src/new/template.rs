//! The files that the program carries, and the name and text of each in a project.
//!
//! A project is the login application itself. What has to differ is a [`Rule`], and each must match its file as
//! often as it says: one that the application has left behind is an error that a test finds, not a project with another's name
//! on its pages.

use super::Failure;

/// Every file of `template/`: its path with slashes, and its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/template.rs"));

/// The application's manifest; see [`manifest`](super::manifest).
pub(super) const PACKAGE: &str = "package.toml";

/// The manifest of the application's workspace.
pub(super) const WORKSPACE: &str = "workspace.toml";

/// Where the text of a file is another one in a project.
pub(super) struct Rule {
    file: &'static str,
    from: &'static str,
    /// Where the replaced text ends, before this one; without it, `from` is all of it.
    until: Option<&'static str>,
    /// What stands there instead; `{name}` is the project's.
    to: &'static str,
    /// How often.
    times: usize,
}

impl Rule {
    /// `from` stands in the file once.
    pub(super) const fn once(file: &'static str, from: &'static str, to: &'static str) -> Self {
        Self::times(1, file, from, to)
    }

    /// `from` stands in the file so many times.
    pub(super) const fn times(
        times: usize,
        file: &'static str,
        from: &'static str,
        to: &'static str,
    ) -> Self {
        Self {
            file,
            from,
            until: None,
            to,
            times,
        }
    }

    /// `from` stands in the file once, and what is replaced goes on from there to just before `until`.
    pub(super) const fn block(
        file: &'static str,
        from: &'static str,
        until: &'static str,
        to: &'static str,
    ) -> Self {
        Self {
            file,
            from,
            until: Some(until),
            to,
            times: 1,
        }
    }

    fn applied(&self, name: &str, text: &str) -> Result<String, String> {
        let found = text.matches(self.from).count();
        if found != self.times {
            return Err(format!(
                "has {:?} {found} times, not {}",
                self.from, self.times
            ));
        }
        let to = self.to.replace("{name}", name);
        let Some(until) = self.until else {
            return Ok(text.replace(self.from, &to));
        };
        let end = text.split_once(self.from).and_then(|(before, rest)| {
            let length = rest.find(until)?;
            Some((before, &rest[length..]))
        });
        let (before, after) =
            end.ok_or_else(|| format!("has no {until:?} after {:?}", self.from))?;
        Ok(format!("{before}{to}{after}"))
    }
}

/// The project's name on its pages.
const NAMED: [Rule; 3] = [
    Rule::once(
        "templates/layout.html",
        "&middot; cloakroom</title>",
        "&middot; {name}</title>",
    ),
    Rule::once(
        "templates/layout.html",
        "height=\"28\">cloakroom</a>",
        "height=\"28\">{name}</a>",
    ),
    Rule::once(
        "public/javascripts/countdown.js",
        "\\u00b7 cloakroom\"",
        "\\u00b7 {name}\"",
    ),
];

/// The folders of the application that make a project.
const APPLICATION: [&str; 4] = ["public/", "src/", "templates/", "tests/"];

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Its path in the project, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// Whether it is there to be run.
    pub(super) fn is_program(&self) -> bool {
        self.text.starts_with("#!")
    }

    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}

/// The text of one file as it is here.
pub(super) fn raw(path: &str) -> Result<&'static str, Failure> {
    let found = FILES.iter().find(|(name, _)| *name == path);
    found
        .map(|(_, text)| *text)
        .ok_or_else(|| broken(path, "is missing"))
}

/// The application's files, under the project's name.
pub(super) fn application(name: &str) -> Result<Vec<File>, Failure> {
    let mut files: Vec<File> = FILES
        .iter()
        .filter(|(path, _)| APPLICATION.iter().any(|folder| path.starts_with(folder)))
        .map(|(path, text)| File::new(*path, *text))
        .collect();
    apply(&NAMED, name, &mut files)?;
    Ok(files)
}

/// The files of a folder of the template, named from there on.
pub(super) fn below(folder: &str) -> Vec<File> {
    let files = FILES.iter().filter_map(|(path, text)| {
        let path = path.strip_prefix(folder)?;
        Some(File::new(path, *text))
    });
    files.collect()
}

/// Applies every rule to its file.
pub(super) fn apply(rules: &[Rule], name: &str, files: &mut [File]) -> Result<(), Failure> {
    for rule in rules {
        let file = files.iter_mut().find(|file| file.path == rule.file);
        let file = file.ok_or_else(|| broken(rule.file, "is missing"))?;
        file.text = rule
            .applied(name, &file.text)
            .map_err(|why| broken(rule.file, &why))?;
    }
    Ok(())
}

/// The program was built from files that it does not understand: never by what somebody typed.
pub(super) fn broken(file: &str, why: &str) -> Failure {
    Failure::usage(format!(
        "this program was built from a template that does not fit it: {file} {why}. Please report it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_the_application_without_what_belongs_to_its_workspace() {
        let files = application("shop").unwrap();
        let has = |path: &str| files.iter().any(|file| file.path == path);
        assert!(has("src/main.rs") && has("src/routes/index.rs") && has("templates/login.html"));
        assert!(has("public/images/icon.svg") && has("tests/http/main.rs"));
        assert!(has("tests/process/main.rs") && has("tests/support/mod.rs"));
        // The browser and the servers of other crates' tests are not at hand in a project.
        let outside = |file: &File| {
            file.path.starts_with("tests/redis") || file.path.starts_with("tests/browser")
        };
        assert!(!files.iter().any(outside));
    }

    #[test]
    fn the_name_stands_where_the_applications_did() {
        let files = application("shop").unwrap();
        let text = |path: &str| &files.iter().find(|file| file.path == path).unwrap().text;
        assert_eq!(text("templates/layout.html").matches("shop").count(), 2);
        assert!(!text("templates/layout.html").contains("cloakroom"));
        assert!(text("public/javascripts/countdown.js").contains("\"Session ended \\u00b7 shop\""));
    }

    #[test]
    fn a_rule_that_its_file_has_left_behind_is_an_error() {
        let tried = |rule: Rule| {
            let mut files = [File::new("a", "old and old")];
            let done = apply(&[rule], "new", &mut files);
            done.map(|()| files[0].text.clone())
                .map_err(|failure| failure.to_string())
        };
        assert_eq!(
            tried(Rule::times(2, "a", "old", "{name}")).unwrap(),
            "new and new"
        );
        assert!(
            tried(Rule::once("a", "old", ""))
                .unwrap_err()
                .contains("2 times, not 1")
        );
        assert!(
            tried(Rule::once("b", "old", ""))
                .unwrap_err()
                .contains("b is missing")
        );
        assert_eq!(
            tried(Rule::block("a", " and", "ld", "-")).unwrap(),
            "old-ld"
        );
        let endless = tried(Rule::block("a", "old and", "new", "")).unwrap_err();
        assert!(endless.contains("has no \"new\""), "{endless}");
    }
}
