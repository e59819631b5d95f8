//! The pure rules: no runtime, no store.

use std::hint::black_box;

use cloakroom::{
    Limits, Timestamp,
    core::{
        Policy, cookie,
        id::{FreshId, ID_BYTES},
        plan::{CookieOp, plan},
        record::Record,
        session::{Existing, View},
        ticket::{self, Presented},
    },
};
use cloakroom_bench::{SIZES, id, secrets, session};
use criterion::{Criterion, criterion_group, criterion_main};

fn tickets(c: &mut Criterion) {
    let secrets = secrets().unwrap();
    let id = id();
    let good = ticket::sign(id.as_str(), &secrets);
    let mut bad = good.clone();
    bad.pop();
    bad.push('_');
    let header = cookie_header(&good);
    c.bench_function("ticket/sign", |b| {
        b.iter(|| ticket::sign(black_box(id.as_str()), &secrets));
    });
    c.bench_function("ticket/verify", |b| {
        b.iter(|| ticket::verify(black_box(&good), &secrets));
    });
    c.bench_function("ticket/refuse", |b| {
        b.iter(|| ticket::verify(black_box(&bad), &secrets));
    });
    c.bench_function("ticket/from the Cookie header", |b| {
        b.iter(|| ticket::presented([black_box(header.as_bytes())], "__Host-sid", &secrets));
    });
}

/// The cookie between two others, encoded as browsers send it.
fn cookie_header(good: &str) -> String {
    let options = cookie::CookieOptions::new();
    let set = options.set_cookie(good, None, true).unwrap();
    let pair = set.split(';').next().unwrap_or_default();
    format!("theme=dark; {pair}; _ga=GA1.1.1234567890.1234567890")
}

fn records(c: &mut Criterion) {
    let limits = Limits::default();
    for (name, size) in SIZES {
        let value = session(size);
        let record = Record::parse(&value, &limits).unwrap().unwrap();
        c.bench_function(&format!("record/parse {name}"), |b| {
            b.iter(|| Record::parse(black_box(&value), &limits));
        });
        c.bench_function(&format!("record/write {name}"), |b| {
            b.iter(|| black_box(&record).to_bytes());
        });
        // What a library pays that keeps a session as a tree of values.
        let tree: serde_json::Value = serde_json::from_slice(&value).unwrap();
        c.bench_function(&format!("tree/parse {name}"), |b| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&value)));
        });
        c.bench_function(&format!("tree/write {name}"), |b| {
            b.iter(|| serde_json::to_vec(black_box(&tree)));
        });
    }
}

fn plans(c: &mut Criterion) {
    let policy = Policy::default();
    let now = Timestamp::from_millis(1_764_105_578_229);
    for (name, size) in SIZES {
        let value = session(size);
        let mut record = Record::parse(&value, &Limits::default()).unwrap().unwrap();
        record.set_ends(policy.absolute_end(now));
        let existing = Existing {
            id: id(),
            base: value,
            remaining: Some(std::time::Duration::from_secs(1000)),
            resign: false,
        };
        let fresh = FreshId::from_random([7; ID_BYTES]);
        let read = View::existing(existing, record, fresh);
        let mut changed = read.clone();
        let count = |n: Option<u64>| n.unwrap_or(0) + 1;
        changed
            .update("visits", move |n| Some(count(n)), &policy)
            .unwrap();
        c.bench_function(&format!("plan/renew {name}"), |b| {
            b.iter(|| plan(black_box(&read), &policy, now));
        });
        c.bench_function(&format!("plan/replace {name}"), |b| {
            b.iter(|| plan(black_box(&changed), &policy, now));
        });
    }
}

/// What a session costs a request that reads it, renews it and sends the cookie, without the store and the HTTP server.
fn own_work(c: &mut Criterion) {
    let (secrets, policy, limits) = (secrets().unwrap(), Policy::default(), Limits::default());
    let set_cookie = cookie::CookieOptions::new().prepare().unwrap();
    let header = cookie_header(&ticket::sign(id().as_str(), &secrets));
    let now = Timestamp::from_millis(1_764_105_578_229);
    for (name, size) in SIZES {
        let mut stored = Record::parse(&session(size), &limits).unwrap().unwrap();
        stored.set_ends(policy.absolute_end(now));
        let value = stored.to_bytes();
        c.bench_function(&format!("session/own work {name}"), |b| {
            b.iter(|| {
                let header = black_box(header.as_bytes());
                let Presented::Valid {
                    id,
                    needs_resign,
                    seal,
                } = ticket::presented([header], "__Host-sid", &secrets)
                else {
                    panic!("the ticket is good");
                };
                let record = Record::parse(black_box(&value), &limits).unwrap().unwrap();
                let existing = Existing {
                    id,
                    base: value.clone(),
                    remaining: Some(std::time::Duration::from_secs(1000)),
                    resign: needs_resign,
                };
                let fresh = FreshId::from_random([7; ID_BYTES]);
                let view = View::existing(existing, record, fresh);
                black_box(view.get::<u64>("visits").unwrap());
                let CookieOp::Set { id, expires } = plan(&view, &policy, now).cookie else {
                    panic!("the cookie is not to be sent");
                };
                set_cookie.ticket(&id, &seal, expires, true).unwrap()
            });
        });
    }
}

criterion_group!(benches, tickets, records, plans, own_work);
criterion_main!(benches);
