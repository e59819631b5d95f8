//! Makes a failing sequence as short as it still fails.

use crate::differential::{Sequence, differences::Differences, lane::Lane};

/// How many sequences are tried at most.
const TRIES: usize = 400;

/// The shortest sequence found that fails, and how. `first` is how it failed the first time.
pub async fn shrink(
    lane: &mut Lane,
    sequence: Sequence,
    first: &str,
    differences: &Differences,
) -> (Sequence, String) {
    let mut best = sequence;
    let mut what = lane
        .run(&best, differences)
        .await
        .failure
        .unwrap_or_else(|| format!("{first}it did not fail when it was run again: a race"));
    let mut tries = 0;
    'again: loop {
        for candidate in smaller(&best) {
            if tries == TRIES {
                break 'again;
            }
            tries += 1;
            if let Some(failure) = lane.run(&candidate, differences).await.failure {
                best = candidate;
                what = failure;
                continue 'again;
            }
        }
        break;
    }
    (best, what)
}

/// Sequences that have a little less, the largest cuts first.
fn smaller(of: &Sequence) -> Vec<Sequence> {
    let mut all = Vec::new();
    let mut size = of.steps.len() / 2;
    while size > 0 {
        for start in (0..of.steps.len()).step_by(size) {
            let mut candidate = of.clone();
            candidate
                .steps
                .drain(start..(start + size).min(of.steps.len()));
            all.push(candidate);
        }
        size /= 2;
    }
    for step in 0..of.steps.len() {
        for op in 0..of.steps[step].ops.len() {
            let mut candidate = of.clone();
            candidate.steps[step].ops.remove(op);
            all.push(candidate);
        }
        let mut plain = of.clone();
        let it = &mut plain.steps[step];
        let before = (
            it.pass,
            it.by_node,
            it.proto.clone(),
            it.method.clone(),
            it.path.clone(),
        );
        (it.pass, it.by_node, it.proto) = (0, false, None);
        (it.method, it.path) = (
            "GET".to_owned(),
            of.options[0].cookie.path.clone().unwrap_or("/".to_owned()),
        );
        let after = (
            it.pass,
            it.by_node,
            it.proto.clone(),
            it.method.clone(),
            it.path.clone(),
        );
        if before != after {
            all.push(plain);
        }
    }
    all.extend(plainer_options(of));
    all
}

/// The same requests with one option less.
fn plainer_options(of: &Sequence) -> Vec<Sequence> {
    let mut all = Vec::new();
    let mut offer = |change: &dyn Fn(&mut crate::ask::Options)| {
        let mut candidate = of.clone();
        candidate.options.iter_mut().for_each(change);
        if candidate.options != of.options {
            all.push(candidate);
        }
    };
    offer(&|options| options.name = None);
    offer(&|options| options.unset = None);
    offer(&|options| options.proxy = None);
    offer(&|options| options.rolling = false);
    offer(&|options| options.resave = false);
    offer(&|options| options.save_uninitialized = false);
    offer(&|options| options.cookie.domain = None);
    offer(&|options| options.cookie.http_only = None);
    offer(&|options| options.cookie.same_site = None);
    offer(&|options| options.cookie.priority = None);
    offer(&|options| options.cookie.max_age = Some(600_000));
    all
}
