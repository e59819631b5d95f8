//! `cloakroom new`: a complete project, as express-generator writes one.
//!
//! The project is the login application of this repository, under another name: [`template`] has its files, [`manifest`]
//! makes its `Cargo.toml`, [`checkout`] finds the crates that are not on crates.io yet, and [`files`] writes all of it or
//! nothing. No other program is run, but for git where it is asked for.

mod args;
mod checkout;
mod containers;
mod files;
mod git;
mod manifest;
mod name;
mod readme;
mod template;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub(crate) use self::args::{NewArgs, Store, Vcs};
use self::{
    checkout::{Checkout, VENDOR},
    files::Made,
    manifest::Manifests,
    template::File,
};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{Output, plain, style},
};

/// Where a project takes the crate `cloakroom` from.
#[derive(Debug)]
enum Source {
    /// crates.io.
    Version,
    /// A folder of this machine.
    Path(String),
    /// Its own copy.
    Vendored,
}

/// Makes the project, or says what it would make.
pub(crate) fn run(args: &NewArgs, output: &mut Output) -> Result<Exit, Failure> {
    let folder = absolute(&args.folder)?;
    let manifests = Manifests::of_the_template()?;
    let name = name_of(args, &folder)?;
    name::check(&name, &manifests.dependencies()?).map_err(|why| {
        let hint = if args.name.is_none() {
            "; `--name` gives the project another one than its folder's"
        } else {
            ""
        };
        Failure::usage(format!("the name {:?} {why}{hint}", plain(&name)))
    })?;
    refuse_what_is_not_empty(&folder)?;
    if args.vcs == Vcs::Git && !args.dry_run {
        git::is_there()?;
    }
    let checkout = args.path.as_deref().map(Checkout::open).transpose()?;
    let (source, copies) = match &checkout {
        None => (Source::Version, Vec::new()),
        Some(checkout) if args.vendor => (Source::Vendored, checkout.copies()?),
        Some(checkout) => (Source::Path(checkout.cloakroom()?), Vec::new()),
    };
    let project = project(args, &name, &source, &manifests, copies)?;
    if !args.dry_run {
        let mut made = Made::default();
        made.folder(&folder)?;
        made.write(&folder, &project)?;
        if args.vcs == Vcs::Git {
            git::begin(&folder, &mut made)?;
        }
        made.keep();
    }
    report(args, &name, &folder, &source, &project, output)?;
    Ok(Exit::Done)
}

/// Every file of the project.
fn project(
    args: &NewArgs,
    name: &str,
    source: &Source,
    manifests: &Manifests,
    copies: Vec<File>,
) -> Result<Vec<File>, Failure> {
    let vendored = format!("{VENDOR}/crates/cloakroom");
    let path = match source {
        Source::Version => None,
        Source::Path(path) => Some(path.as_str()),
        Source::Vendored => Some(vendored.as_str()),
    };
    let mut files = vec![
        File::new("Cargo.toml", manifests.project(name, path, args.vendor)?),
        File::new(
            "README.md",
            readme::text(name, source, args.store, !args.no_containers)?,
        ),
        File::new(".gitignore", "/target\n/data\n/.env\n"),
    ];
    if let Some(variable) = args.store.variable() {
        files.push(File::new(".cargo/config.toml", cargo_settings(variable)));
    }
    files.extend(template::application(name)?);
    if !args.no_containers {
        files.extend(containers::files(name, args.store)?);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.extend(copies);
    Ok(files)
}

impl Store {
    /// What the application is told, where it is not what it does by itself.
    fn variable(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Sqlite => None,
            Self::Redis => Some(("REDIS_HOST", "localhost")),
            Self::Memory => Some(("SESSION_STORE", "memory")),
        }
    }
}

fn cargo_settings((variable, value): (&str, &str)) -> String {
    format!("# What `cargo run` sets, unless it is set already.\n[env]\n{variable} = {value:?}\n")
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    // What is there already may have a better name than it was called by: `.`, `..`, a link.
    folder
        .canonicalize()
        .or_else(|_| std::path::absolute(folder))
        .map_err(|error| Failure::file(format_args!("{} is no folder", folder.display()), &error))
}

fn name_of(args: &NewArgs, folder: &Path) -> Result<String, Failure> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let name = folder.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!(
            "{} gives the project no name; `--name` does",
            folder.display()
        ))
    })
}

/// A project begins in a folder of its own. An empty repository is one.
fn refuse_what_is_not_empty(folder: &Path) -> Result<(), Failure> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_symlink() => {
            return Ok(());
        }
        Err(error) => {
            return Err(Failure::file(
                format_args!("{} cannot be used as a folder", folder.display()),
                &error,
            ));
        }
    };
    for entry in entries {
        let name = entry.map(|entry| entry.file_name());
        let name = name.map_err(|error| {
            Failure::file(format_args!("{} cannot be read", folder.display()), &error)
        })?;
        if name != ".git" {
            return Err(Failure::usage(format!(
                "the folder {} is not empty: it has {}. Nothing was written; choose another folder, or empty this one",
                folder.display(),
                plain(&name.to_string_lossy())
            )));
        }
    }
    Ok(())
}

fn report(
    args: &NewArgs,
    name: &str,
    folder: &Path,
    source: &Source,
    project: &[File],
    output: &mut Output,
) -> Result<(), Failure> {
    let (good, warn, faint) = (style::GOOD, style::WARN, style::FAINT);
    let verb = if args.dry_run {
        "would create"
    } else {
        "created"
    };
    let shown = plain(&folder.display().to_string());
    let is_copy = |file: &&File| file.path.starts_with("vendor/");
    for file in project.iter().filter(|file| !is_copy(file)) {
        output.line(format_args!("{faint}{verb}{faint:#} {}", file.path))?;
    }
    let copies = project.iter().filter(is_copy).count();
    if copies > 0 {
        output.line(format_args!(
            "{faint}{verb}{faint:#} {VENDOR}/ ({copies} files of the checkout)"
        ))?;
    }
    let did = if args.dry_run {
        "nothing was written: this would be"
    } else {
        "created"
    };
    output.line(format_args!(
        "\n{good}{did} {name}{good:#} in {shown}: {} files",
        project.len()
    ))?;
    let containers = !args.no_containers;
    let note = match source {
        Source::Version if !readme::PUBLISHED => Some(format!(
            "cloakroom {} is not on crates.io yet, so cargo will not find it. Until it is, use a checkout: \
             `cloakroom new ... --path CHECKOUT`, or write its folder into Cargo.toml; README.md says how.",
            env!("CARGO_PKG_VERSION")
        )),
        Source::Path(path) if containers => Some(format!(
            "the project uses {path}, which a container's build cannot see. `--vendor` copies it into the project."
        )),
        _ => None,
    };
    if let Some(note) = note {
        output.line(format_args!("{warn}note:{warn:#} {note}"))?;
    }
    if args.dry_run {
        return Ok(());
    }
    output.line("\nNext:")?;
    if args.folder.as_os_str() != "." {
        output.line(format_args!(
            "  cd {}",
            quoted(&plain(&args.folder.display().to_string()))
        ))?;
    }
    output.line("  cargo run")
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "/._-+,@%".contains(c);
    if path.chars().all(harmless) && !path.starts_with('-') {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}
