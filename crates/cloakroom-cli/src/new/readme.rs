//! The README of a project.

use askama::Template;

use super::{Failure, Source, Store, template::broken};

/// Whether `cloakroom` can be had from crates.io. A test holds this against what the repository's README says of the release.
pub(super) const PUBLISHED: bool = false;

#[derive(Template)]
#[template(path = "readme.md", escape = "none")]
struct Readme<'a> {
    name: &'a str,
    cloakroom: &'a Source,
    store: Store,
    unpublished: bool,
    containers: bool,
}

/// The text for a project.
pub(super) fn text(
    name: &str,
    cloakroom: &Source,
    store: Store,
    containers: bool,
) -> Result<String, Failure> {
    let readme = Readme {
        name,
        cloakroom,
        store,
        unpublished: !PUBLISHED,
        containers,
    };
    let text = readme
        .render()
        .map_err(|error| broken("readme.md", &error.to_string()))?;
    Ok(text)
}
