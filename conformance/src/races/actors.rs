//! Who does what in an interleaving.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{client::Response, rng::Rng};

/// Which server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An instance of ours in this process.
    Instance(usize),
    /// A process of ours.
    Process(usize),
    /// express-session, which writes the whole session back, whatever has happened to it since.
    Node,
}

/// What the handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Adds one to `n`, by a function of its value.
    Increment,
    /// Gives a name of its own a value.
    Insert,
    /// Takes a name of its own away.
    Delete,
    /// Gives the name that all share a value.
    Overwrite,
    /// A new id.
    Rotate,
    /// A new id and no data.
    Regenerate,
    /// A new id and an owner.
    SignIn,
    /// The end.
    SignOut,
    /// Nothing but looking.
    Read,
}

impl Act {
    /// Whether it changes data.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(
            self,
            Self::Increment | Self::Insert | Self::Delete | Self::Overwrite
        )
    }

    /// Whether it gives the session a new id.
    #[must_use]
    pub fn is_rotation(self) -> bool {
        matches!(self, Self::Rotate | Self::Regenerate | Self::SignIn)
    }
}

/// A request of an interleaving.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Its number, for names and values of its own.
    pub number: usize,
    /// Who is asked.
    pub by: By,
    /// For what.
    pub act: Act,
    /// The handler waits for the commit and fails without it.
    pub certain: bool,
    /// Turns of the scheduler before the request starts.
    pub start_after: u64,
    /// Turns, or milliseconds, between reading and the end of the handler.
    dwell: Dwell,
}

#[derive(Clone, Copy, Debug)]
enum Dwell {
    Turns(u64),
    Millis(u64),
}

/// Draws two to four.
pub fn draw(rng: &mut Rng, instances: usize, processes: usize) -> Vec<Actor> {
    let count = 2 + rng.index(3);
    // Three of four interleavings are ours alone: there nothing may be lost.
    let with_node = rng.percent(25);
    (0..count)
        .map(|number| {
            let by = if with_node && (number == 0 || rng.percent(25)) {
                By::Node
            } else if rng.percent(10) {
                By::Process(rng.index(processes))
            } else {
                By::Instance(rng.index(instances))
            };
            actor(rng, number, by)
        })
        .collect()
}

fn actor(rng: &mut Rng, number: usize, by: By) -> Actor {
    let act = match rng.below(100) {
        0..=24 => Act::Increment,
        25..=44 => Act::Insert,
        45..=54 => Act::Delete,
        55..=62 => Act::Overwrite,
        63..=71 => Act::Rotate,
        72..=74 => Act::Regenerate,
        75..=80 => Act::SignIn,
        81..=90 => Act::SignOut,
        _ => Act::Read,
    };
    let act = match (by, act) {
        (By::Node, Act::Rotate | Act::SignIn) => Act::Regenerate,
        _ => act,
    };
    Actor {
        number,
        by,
        act,
        certain: by != By::Node && act.is_change() && rng.percent(50),
        start_after: rng.below(8),
        dwell: if rng.percent(5) {
            Dwell::Millis(1 + rng.below(3))
        } else {
            Dwell::Turns(rng.below(10))
        },
    }
}

impl Actor {
    /// What the server is asked to do.
    #[must_use]
    pub fn ops(&self) -> Vec<Value> {
        let number = self.number;
        let dwell = match self.dwell {
            Dwell::Turns(turns) => json!(["yield", turns]),
            Dwell::Millis(millis) => json!(["sleep", millis]),
        };
        let mut ops = vec![json!(["read"]), dwell];
        ops.push(match self.act {
            Act::Increment => json!(["inc", "n"]),
            Act::Insert => json!(["set", format!("k{number}"), number.to_string()]),
            Act::Delete => json!(["delete", format!("d{number}")]),
            Act::Overwrite => json!(["set", "w", number.to_string()]),
            Act::Rotate => json!(["rotate"]),
            Act::Regenerate => json!(["regenerate"]),
            Act::SignIn => json!(["signIn", format!("owner {number}")]),
            Act::SignOut => json!(["destroy"]),
            Act::Read => json!(["read"]),
        });
        if self.certain {
            ops.push(json!(["save"]));
        }
        ops
    }
}

/// An actor and what it was answered.
#[derive(Clone, Debug)]
pub struct Done {
    /// Who.
    pub actor: Actor,
    /// The status.
    pub status: StatusCode,
    /// Why a session call failed, where it did.
    pub error: Option<String>,
    /// The id that the browser was given, if it is another one.
    pub given: Option<String>,
    /// The request found the session.
    pub found: bool,
}

impl Done {
    /// Reads a response.
    #[must_use]
    pub fn of(actor: Actor, response: &Response) -> Self {
        let error = response
            .headers
            .get("x-error")
            .and_then(|error| error.to_str().ok());
        Self {
            actor,
            status: response.status,
            error: error.map(str::to_owned),
            given: response.id(),
            found: response
                .log()
                .first()
                .and_then(Value::as_array)
                .is_some_and(|names| !names.is_empty()),
        }
    }

    /// Acknowledged.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status.is_success()
    }

    /// Whether express-session was asked.
    #[must_use]
    pub fn is_by_node(&self) -> bool {
        self.actor.by == By::Node
    }
}
