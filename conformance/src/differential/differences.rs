//! The deliberate differences: data, each with its reason.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::differential::{compare::Difference, facts::Facts};

/// One deliberate difference.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliberate {
    /// Its name.
    pub id: String,
    /// What express-session does.
    pub express: String,
    /// What we do.
    pub ours: String,
    /// Why.
    pub reason: String,
    /// The facts that must hold for it; `!` in front of one that must not. Empty for one that random steps cannot show.
    #[serde(default)]
    pub when: Vec<String>,
    /// The fields that may differ, `*` for every field, with both sides' values: a text, `*` for any, `>` on our side for a later date.
    #[serde(default)]
    pub fields: BTreeMap<String, (String, String)>,
    /// Whether the two worlds are unlike each other afterwards.
    #[serde(default)]
    pub diverges: bool,
}

/// The list.
#[derive(Clone, Debug)]
pub struct Differences(Arc<Vec<Deliberate>>);

impl Differences {
    /// Reads `differences.json`.
    ///
    /// # Panics
    ///
    /// If the file is not what it should be.
    #[must_use]
    pub fn load() -> Self {
        match serde_json::from_str(include_str!("../../differences.json")) {
            Ok(list) => Self(Arc::new(list)),
            Err(error) => panic!("conformance/differences.json: {error}"),
        }
    }

    /// An empty list: every difference is a failure.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Deliberate] {
        &self.0
    }

    /// The entry that explains a difference under these facts.
    #[must_use]
    pub fn explain(&self, difference: &Difference, facts: &Facts) -> Option<&Deliberate> {
        self.0
            .iter()
            .find(|entry| entry.explains(difference, facts))
    }
}

impl Deliberate {
    fn explains(&self, difference: &Difference, facts: &Facts) -> bool {
        let listed = self
            .fields
            .get(difference.field)
            .or_else(|| self.fields.get("*"));
        let Some((node, ours)) = listed else {
            return false;
        };
        let fits = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        let values = fits(node, &difference.node)
            && match ours.as_str() {
                ">" => difference.ours > difference.node,
                pattern => fits(pattern, &difference.ours),
            };
        values && !self.when.is_empty() && self.when.iter().all(|fact| facts.hold(fact))
    }
}
