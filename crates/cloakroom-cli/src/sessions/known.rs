//! What a watch remembers from one look to the next: a few bytes a session.

use std::collections::HashMap;

use cloakroom::SessionHandle;

use crate::{failure::Failure, format};

/// More sessions are not watched: they would be more memory than a look at a server may cost.
const MOST: usize = 400_000;

/// So many bytes are for owners' names. Whoever comes when there is no room has none in what is told.
const NAMES: usize = 8 * 1024 * 1024;

/// What a name takes beside its two copies: the entries of a table and a list, and what the allocator adds.
const BESIDE_NAME: usize = 104;

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
#[derive(Debug)]
pub(crate) struct Known {
    most: usize,
    sessions: HashMap<SessionHandle, Last>,
    names: Names,
    look: u32,
}

#[derive(Debug)]
struct Last {
    owner: Name,
    look: u32,
}

impl Default for Known {
    fn default() -> Self {
        Self::within(MOST, NAMES)
    }
}

impl Known {
    /// Room for so many sessions, and for so many bytes of names.
    fn within(most: usize, names: usize) -> Self {
        Self {
            most,
            sessions: HashMap::new(),
            names: Names {
                limit: names,
                ..Names::default()
            },
            look: 0,
        }
    }

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
        if self.sessions.len() > self.most {
            return Err(Failure::usage(format!(
                "there are more than {}, and watch keeps all of them in mind; watch one owner with --owner",
                format::sessions(self.most as u64)
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
    limit: usize,
    bytes: usize,
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
        let bytes = self.bytes + 2 * name.len() + BESIDE_NAME;
        match u32::try_from(self.names.len()) {
            Ok(number) if bytes <= self.limit => {
                self.bytes = bytes;
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

    #[test]
    fn sessions_and_names_are_bounded() {
        let mut known = Known::within(3, 2 * (BESIDE_NAME + 2));
        assert_eq!(
            look(&mut known, &[("a", Some("x")), ("b", Some("y"))]),
            ["signedIn x", "signedIn y"]
        );
        // There is no room for a third name: its session is told, and of whom it was is not known at its end.
        let all = [("a", Some("x")), ("b", Some("y")), ("c", Some("z"))];
        assert_eq!(look(&mut known, &all), ["signedIn z"]);
        assert!(look(&mut known, &all).is_empty());
        assert_eq!(look(&mut known, &all[..2]), ["ended -"]);
        let long = "z".repeat(1000);
        assert_eq!(look(&mut known, &[("c", Some(&long))]).len(), 3);
        assert!(known.names.bytes <= known.names.limit);
        known.begin();
        let mut see = |number: u32| {
            let handle = SessionId::parse(&format!("n{number}")).unwrap().handle();
            known.see(handle, None, &mut |_| Ok(()))
        };
        assert!(see(0).is_ok() && see(1).is_ok());
        let failure = see(2).unwrap_err().to_string();
        assert!(
            failure.contains("3 sessions") && failure.contains("--owner"),
            "{failure}"
        );
    }
}
