//! The merge's laws over random histories.

use std::collections::BTreeMap;

use bytes::Bytes;
use cloakroom_core::{
    Lifetime, Policy, Stored,
    merge::{Resolver, rebase},
    plan::StoreOp,
    session::View,
};
use proptest::prelude::*;

use crate::common::{NOW, planned, policy_with, record, secs, stored, view_of};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Data as a model: values by name.
type Model = BTreeMap<&'static str, u8>;

fn policy() -> Policy {
    policy_with(Policy::default(), |p| p.lifetime = Lifetime::idle(secs(60)))
}

fn text(model: &Model) -> String {
    let data: String = model
        .iter()
        .map(|(name, n)| format!(",\"{name}\":{n}"))
        .collect();
    stored(Some(60), NOW, &data)
}

fn model(view: &View) -> BTreeMap<String, u8> {
    let names = view.names().into_iter();
    names
        .map(|name| (name.clone(), view.get(&name).unwrap().unwrap()))
        .collect()
}

fn commit(value: Bytes) -> Stored {
    Stored {
        value,
        remaining: Some(secs(60)),
    }
}

fn models() -> impl Strategy<Value = Model> {
    prop::collection::btree_map(prop::sample::select(&NAMES[..]), 0..4_u8, 0..=4)
}

/// Changes in order: `Some` sets the name, `None` removes it.
type Changes = Vec<(&'static str, Option<u8>)>;

fn changes() -> impl Strategy<Value = Changes> {
    prop::collection::vec(
        (prop::sample::select(&NAMES[..]), prop::option::of(0..4_u8)),
        0..6,
    )
}

fn changed(base: &Model, changes: &Changes) -> View {
    let mut view = view_of(&text(base), secs(60));
    for (name, change) in changes {
        match change {
            Some(value) => view.insert(name, value, &policy()).unwrap(),
            None => view.remove(name, &policy()).unwrap(),
        }
    }
    view
}

/// What the merge must be, name by name.
fn expected(
    base: &Model,
    ours: &BTreeMap<String, u8>,
    theirs: &Model,
    for_ours: bool,
) -> BTreeMap<String, u8> {
    let pick = |name: &&str| {
        let (b, o, t) = (base.get(name), ours.get(*name), theirs.get(name));
        let picked = if o == b || (t != b && !for_ours) {
            t
        } else {
            o
        };
        picked.map(|value| ((*name).to_owned(), *value))
    };
    NAMES.iter().filter_map(pick).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Never loses what one side alone changed, deletions included (redis-rack#53); the resolver decides the rest; and
    /// the same again is the same to the byte.
    #[test]
    fn the_merge_is_three_way_by_name_and_deterministic(
        base in models(), changes in changes(), theirs in models(), for_ours: bool,
    ) {
        let resolver = if for_ours { Resolver::ours() } else { Resolver::theirs() };
        let mut view = changed(&base, &changes);
        let ours = model(&view);
        rebase(&mut view, commit(text(&theirs).into()), &policy(), &resolver).unwrap();
        prop_assert_eq!(model(&view), expected(&base, &ours, &theirs, for_ours));
        let once = planned(&view, &policy());
        let mut again = changed(&base, &changes);
        rebase(&mut again, commit(text(&theirs).into()), &policy(), &resolver).unwrap();
        prop_assert_eq!(once, planned(&again, &policy()));
    }

    /// Merged upon a value that no one changed, and upon one's own result, nothing changes any more.
    #[test]
    fn a_merge_with_the_base_or_with_ones_own_write_changes_nothing(
        base in models(), changes in changes(),
    ) {
        let view = changed(&base, &changes);
        let ours = model(&view);
        let mut same = view.clone();
        rebase(&mut same, commit(text(&base).into()), &policy(), &Resolver::ours()).unwrap();
        prop_assert_eq!(model(&same), ours.clone());
        prop_assert_eq!(same.is_modified(), view.is_modified());
        if let StoreOp::Replace(write) = planned(&view, &policy()).store {
            let mut own = view;
            rebase(&mut own, commit(write.value), &policy(), &Resolver::ours()).unwrap();
            prop_assert_eq!(model(&own), ours);
            prop_assert!(!own.is_modified());
        }
    }

    /// Several requests load, add to some names, set one of their own and commit by compare-and-set, in any order: all
    /// increments count, each request's own name survives (connect-redis#75), and the value stays a readable session
    /// with a date ahead and a positive time to live (connect-redis#346).
    #[test]
    fn updates_sum_up_and_names_survive_whatever_the_order(
        requests in prop::collection::vec(prop::collection::vec((0..NAMES.len(), 1..100_u32), 0..4), 1..6),
        schedule in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut sums = BTreeMap::new();
        for (name, by) in requests.iter().flatten() {
            *sums.entry(NAMES[*name]).or_insert(0) += by;
        }
        let mut store = Bytes::from(stored(Some(60), NOW, ""));
        let mut running: Vec<Request> = requests.iter().enumerate().map(Request::new).collect();
        for index in schedule {
            let at = index.index(running.len());
            running[at].step(&mut store);
        }
        for request in &mut running {
            // Alone it loads, merges once at most, and commits.
            for _ in 0..3 {
                request.step(&mut store);
            }
            prop_assert!(request.done);
        }
        let end = record(std::str::from_utf8(&store).unwrap());
        for (name, sum) in sums {
            prop_assert_eq!(end.get(name).unwrap().read::<u32>().unwrap(), sum);
        }
        for index in 0..requests.len() {
            let own = format!("own{index}");
            prop_assert!(end.get(&own).is_some(), "{}", own);
        }
        prop_assert!(end.expires().is_some_and(|at| at > NOW));
    }
}

/// One request between its load and its commit.
struct Request {
    index: usize,
    adds: Vec<(usize, u32)>,
    view: Option<View>,
    done: bool,
}

impl Request {
    fn new((index, adds): (usize, &Vec<(usize, u32)>)) -> Self {
        Self {
            index,
            adds: adds.clone(),
            view: None,
            done: false,
        }
    }

    /// Loads and changes, or tries to commit once and merges where another was first.
    fn step(&mut self, store: &mut Bytes) {
        if self.done {
            return;
        }
        let Some(view) = &mut self.view else {
            self.view = Some(self.load(store));
            return;
        };
        let StoreOp::Replace(write) = planned(view, &policy()).store else {
            panic!("a change is written")
        };
        let cloakroom_core::session::Origin::Existing(existing) = view.origin() else {
            panic!("an existing session")
        };
        assert!(write.ttl > std::time::Duration::ZERO);
        if existing.base == *store {
            *store = write.value;
            self.done = true;
        } else {
            rebase(view, commit(store.clone()), &policy(), &Resolver::ours()).unwrap();
        }
    }

    fn load(&self, store: &Bytes) -> View {
        let mut view = view_of(std::str::from_utf8(store).unwrap(), secs(60));
        for (name, by) in self.adds.clone() {
            let add = move |n: Option<u32>| Some(n.unwrap_or(0) + by);
            view.update(NAMES[name], add, &policy()).unwrap();
        }
        view.insert(&format!("own{}", self.index), &self.index, &policy())
            .unwrap();
        view
    }
}
