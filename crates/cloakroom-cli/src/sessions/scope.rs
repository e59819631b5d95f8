//! What every command on sessions needs: the store, and how it is told whose a session is.

use clap::Args;
use cloakroom::{
    SessionId,
    core::{record::check_name, store::Stored},
};

use super::seen::Seen;
use crate::{
    clock::now,
    failure::Failure,
    store::{Opened, StoreArgs},
};

/// Which store, and whose the sessions in it are.
#[derive(Args, Debug)]
pub struct ScopeArgs {
    /// The name in a session's data under which its owner stands, for sessions that a Node service signs in: `userName` in
    /// those of the login application. Who stands there, as a text or a number, is the owner, and no index knows these
    /// sessions: all are looked at
    #[arg(long, value_name = "NAME", global = true, value_parser = owner_name)]
    owner_name: Option<String>,
    /// Which store.
    #[command(flatten)]
    store: StoreArgs,
}

/// For clap: a name that an application may use.
fn owner_name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty; give the name under which the owner stands".to_owned());
    }
    check_name(text, true).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

impl ScopeArgs {
    /// Opens the store.
    pub(super) async fn open(&self) -> Result<Opened, Failure> {
        Opened::open(&self.store).await
    }

    pub(super) fn of<'a>(&'a self, opened: &'a Opened) -> Scope<'a> {
        Scope {
            opened,
            owner_name: self.owner_name.as_deref(),
        }
    }
}

/// A store, and how it is told whose a session is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) opened: &'a Opened,
    owner_name: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// A store whose sessions say themselves whose they are.
    pub(crate) fn of(opened: &'a Opened) -> Self {
        Self {
            opened,
            owner_name: None,
        }
    }

    /// Whether owners stand in the data too, of which no index knows.
    pub(super) fn looks_into_data(&self) -> bool {
        self.owner_name.is_some()
    }

    /// Reads what stands in the store.
    pub(crate) fn see(&self, id: SessionId, stored: &Stored) -> Seen {
        Seen::new(id, stored, now(), self.owner_name)
    }
}
