//! What is known of a step: the words in which `differences.json` says when a difference is deliberate.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    ask::Options,
    differential::{
        Sequence, Step, compare,
        generate::RESERVED,
        presented::{Form, Presented},
    },
    resp::Entry,
};

/// Words that hold for a step.
#[derive(Clone, Debug, Default)]
pub struct Facts(BTreeSet<String>);

/// The longest that a browser keeps a cookie, in milliseconds.
const FAR: u64 = 400 * 86_400_000;

impl Facts {
    /// Whether a word holds; with `!` in front, whether it does not.
    #[must_use]
    pub fn hold(&self, word: &str) -> bool {
        match word.strip_prefix('!') {
            Some(word) => !self.0.contains(word),
            None => self.0.contains(word),
        }
    }

    /// Adds a word if it holds.
    pub fn add(&mut self, word: impl Into<String>, holds: bool) {
        if holds {
            self.0.insert(word.into());
        }
    }

    /// The words, for messages.
    #[must_use]
    pub fn words(&self) -> String {
        self.0.iter().cloned().collect::<Vec<_>>().join(", ")
    }

    /// What follows from the request alone.
    #[must_use]
    pub fn of_request(sequence: &Sequence, step: &Step) -> Self {
        let mut facts = Self::default();
        let options = &sequence.options[step.options];
        facts.add_operations(&step.ops);
        let unset = facts.hold("unset") && options.unset.as_deref() == Some("destroy");
        let taken_back = facts.hold("regenerate") && facts.hold("unset");
        facts.add("ends", facts.hold("destroy") || unset || taken_back);
        facts.add_options(options, step);
        facts.add(if step.by_node { "by node" } else { "by ours" }, true);
        facts.add(format!("presents {}", step.cookie.word()), true);
        let path = step.path.split('?').next().unwrap_or_default();
        let prefix = options.cookie.path.as_deref().unwrap_or("/");
        let rest = path.strip_prefix(prefix);
        let on_boundary =
            rest.is_some_and(|r| r.is_empty() || r.starts_with('/') || prefix.ends_with('/'));
        let by_last = step.cookie == Presented::Good(Form::LastSecret);
        facts.add(
            "signed with an older secret",
            by_last && options.secret.len() > 1,
        );
        facts.add("beside the path", rest.is_some() && !on_boundary);
        let lifetimes = sequence
            .options
            .iter()
            .filter_map(|options| options.cookie.max_age)
            .chain(
                sequence
                    .steps
                    .iter()
                    .flat_map(|step| &step.ops)
                    .filter_map(|op| (op[0] == "maxAge").then(|| op[1].as_u64()).flatten()),
            );
        facts.add("a lifetime beyond 400 days", lifetimes.max() > Some(FAR));
        facts
    }

    fn add_operations(&mut self, ops: &[Value]) {
        let mut deleted = Vec::new();
        for (index, op) in ops.iter().enumerate() {
            let name = op[0].as_str().unwrap_or_default();
            self.add(name, true);
            match name {
                "delete" => deleted.push(&op[1]),
                "set" => {
                    self.add("a name is moved", deleted.contains(&&op[1]));
                    self.add(
                        "a reserved name",
                        op[1].as_str().is_some_and(|name| RESERVED.contains(&name)),
                    );
                }
                "regenerate" => {
                    let later = &ops[index + 1..];
                    self.add(
                        "reload after regenerate",
                        later.iter().any(|op| op[0] == "reload"),
                    );
                    self.add(
                        "save after regenerate",
                        later.iter().any(|op| op[0] == "save"),
                    );
                    let earlier = &ops[..index];
                    self.add(
                        "maxAge before regenerate",
                        earlier.iter().any(|op| op[0] == "maxAge"),
                    );
                    self.add(
                        "save before regenerate",
                        earlier.iter().any(|op| op[0] == "save"),
                    );
                    self.add(
                        "regenerate twice",
                        later.iter().any(|op| op[0] == "regenerate"),
                    );
                }
                "save" => {
                    self.add(
                        "change before save",
                        ops[..index]
                            .iter()
                            .any(|op| matches!(op[0].as_str(), Some("set" | "inc" | "delete"))),
                    );
                    self.add(
                        "maxAge after save",
                        ops[index..].iter().any(|op| op[0] == "maxAge"),
                    );
                    self.add(
                        "destroy after save",
                        ops[index..]
                            .iter()
                            .any(|op| op[0] == "destroy" || op[0] == "unset"),
                    );
                }
                _ => {}
            }
        }
    }

    fn add_options(&mut self, options: &Options, step: &Step) {
        self.add("resave", options.resave);
        self.add("saveUninitialized", options.save_uninitialized);
        self.add("rolling", options.rolling);
        self.add(
            "unset destroys",
            options.unset.as_deref() == Some("destroy"),
        );
        let first = step
            .proto
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .next()
            .unwrap_or_default();
        let https = options.proxy == Some(true) && first.trim().eq_ignore_ascii_case("https");
        self.add("https", https);
        let secure = options.cookie.secure.as_ref();
        self.add("secure", secure == Some(&Value::Bool(true)));
        self.add("secure auto", secure.is_some_and(Value::is_string));
        let auto = options
            .cookie
            .same_site
            .as_ref()
            .is_some_and(|wanted| wanted == "auto");
        self.add("sameSite auto", auto);
        self.add("browser session", options.cookie.max_age.is_none());
    }

    /// What follows from how the presented session stands in world A before the step.
    pub fn add_session(&mut self, presented: Option<&Entry>, now: i64) {
        self.add("existing", presented.is_some());
        let stored = presented.is_some() || self.hold("maxAge after save");
        self.add(
            "a lifetime for a stored session",
            stored && self.hold("maxAge"),
        );
        let Some(entry) = presented else { return };
        let text = String::from_utf8_lossy(&entry.value);
        let reserved = RESERVED
            .iter()
            .any(|name| text.contains(&format!("\"{name}\":")));
        self.add("holds a reserved name", reserved);
        let (lifetime, expires) = compare::times(entry);
        self.add("without expires", expires.is_none());
        if let (Some(lifetime), Some(expires)) = (lifetime, expires) {
            self.add("stale expires", now + lifetime - expires > lifetime / 2);
            self.add("expires not fresh", now + lifetime != expires);
            self.add("expires in the past", now >= expires);
        }
    }
}
