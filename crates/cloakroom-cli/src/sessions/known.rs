//! What a watch remembers from one look to the next: a few bytes a session.

use std::collections::HashMap;

use cloakroom::SessionHandle;

use crate::failure::Failure;

/// More sessions are not watched: they would be more memory than a look at a server may cost.
const MOST: usize = 400_000;

/// So many owners' names are remembered.
const NAMES: usize = 50_000;

/// What happened to a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    pub(crate) handle: SessionHandle,
    pub(crate) owner: Option<&'a str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Began,
    SignedIn,
    Ended,
}

impl Change<'_> {
    /// `began`, `signedIn` or `ended`. A sign-in gives a session a new id: the old handle ends, the new one is signed in.
    pub(crate) fn event(&self) -> &'static str {
        match self.kind {
            Kind::Began => "began",
            Kind::SignedIn => "signedIn",
            Kind::Ended => "ended",
        }
    }
}

/// The sessions of the last look.
#[derive(Debug, Default)]
pub(crate) struct Known {
    sessions: HashMap<SessionHandle, Last>,
    names: Names,
    look: u32,
}

#[derive(Debug)]
struct Last {
    owner: Name,
    look: u32,
}

impl Known {
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// A look begins.
    pub(crate) fn begin(&mut self) {
        self.look = self.look.wrapping_add(1);
    }

    /// A session is there.
    ///
    /// # Errors
    ///
    /// There are too many, or `report` has failed.
    pub(crate) fn see(
        &mut self,
        handle: SessionHandle,
        owner: Option<&str>,
        report: &mut impl FnMut(&Change<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let last = Last {
            owner: self.names.keep(owner),
            look: self.look,
        };
        let is = last.owner;
        let was = self.sessions.insert(handle, last).map(|last| last.owner);
        if self.sessions.len() > MOST {
            return Err(Failure::usage(format!(
                "there are more than {MOST} sessions, and watch keeps all of them in mind; watch one owner with --owner"
            )));
        }
        let kind = match was {
            Some(was) if was == is => return Ok(()),
            None if is == Name::NOBODY => Kind::Began,
            Some(_) if is == Name::NOBODY => return Ok(()),
            _ => Kind::SignedIn,
        };
        report(&Change {
            handle,
            owner,
            kind,
        })
    }

    /// A look is over: what was not seen has ended.
    ///
    /// # Errors
    ///
    /// `report` has failed.
    pub(crate) fn end(
        &mut self,
        mut report: impl FnMut(&Change<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (look, names) = (self.look, &self.names);
        let mut outcome = Ok(());
        self.sessions.retain(|&handle, last| {
            let here = last.look == look;
            if !here && outcome.is_ok() {
                let owner = names.get(last.owner);
                outcome = report(&Change {
                    handle,
                    owner,
                    kind: Kind::Ended,
                });
            }
            here
        });
        outcome
    }
}

/// Which owner, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name(u32);

impl Name {
    const NOBODY: Self = Self(u32::MAX);
    /// An owner whose name was one too many.
    const SOMEBODY: Self = Self(u32::MAX - 1);
}

#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Names {
    fn keep(&mut self, name: Option<&str>) -> Name {
        let Some(name) = name else {
            return Name::NOBODY;
        };
        if let Some(&number) = self.numbers.get(name) {
            return Name(number);
        }
        match u32::try_from(self.names.len()) {
            Ok(number) if self.names.len() < NAMES => {
                self.names.push(name.into());
                self.numbers.insert(name.into(), number);
                Name(number)
            }
            _ => Name::SOMEBODY,
        }
    }

    fn get(&self, name: Name) -> Option<&str> {
        let index = usize::try_from(name.0).ok()?;
        self.names.get(index).map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::SessionId;

    use super::*;

    fn look(known: &mut Known, sessions: &[(&str, Option<&str>)]) -> Vec<String> {
        let mut seen = Vec::new();
        let mut report = |change: &Change<'_>| {
            seen.push(format!(
                "{} {}",
                change.event(),
                change.owner.unwrap_or("-")
            ));
            Ok(())
        };
        known.begin();
        for (id, owner) in sessions {
            let handle = SessionId::parse(id).unwrap().handle();
            known.see(handle, *owner, &mut report).unwrap();
        }
        known.end(&mut report).unwrap();
        seen.sort();
        seen
    }

    #[test]
    fn each_change_is_told_once() {
        let mut known = Known::default();
        assert_eq!(
            look(&mut known, &[("a", None), ("b", Some("花子"))]),
            ["began -", "signedIn 花子"]
        );
        assert!(look(&mut known, &[("a", None), ("b", Some("花子"))]).is_empty());
        assert_eq!(
            look(&mut known, &[("c", Some("ken")), ("b", Some("花子"))]),
            ["ended -", "signedIn ken"]
        );
        assert_eq!(look(&mut known, &[("c", Some("ken"))]), ["ended 花子"]);
        assert_eq!(
            look(&mut known, &[("c", Some("ken")), ("c", Some("ken"))]),
            [""; 0]
        );
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn a_closed_output_stops_a_look() {
        let mut known = Known::default();
        look(&mut known, &[("a", None), ("b", None)]);
        known.begin();
        let mut told = 0;
        let ended = known.end(|_| {
            told += 1;
            Err(Failure::no("closed"))
        });
        assert!(ended.is_err());
        assert_eq!(told, 1);
    }
}
