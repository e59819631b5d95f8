//! Random sequences. What is drawn most often is what browsers and handlers do most often.

use serde_json::{Value, json};

use crate::{
    ask::{Cookie, Options, Store},
    children::Peer,
    differential::{
        Sequence, Step,
        presented::{Flaw, Form, Presented},
    },
    rng::Rng,
};

/// Lifetimes, in milliseconds: ten minutes, an hour with a fraction of a second, a day, thirty days, 463 days.
const LIFETIMES: [u64; 5] = [
    600_000,
    3_600_500,
    86_400_000,
    2_592_000_000,
    40_000_000_000,
];

/// JSON exactly as `JSON.stringify` writes it, so that both sides store the same text.
const VALUES: [&str; 28] = [
    "0",
    "-1",
    "1.5",
    "1e+21",
    "9007199254740991",
    "-9007199254740991",
    "1e-7",
    "true",
    "false",
    "null",
    "\"\"",
    "\"plain\"",
    "\"花子\"",
    "\"Zoë \\\"quoted\\\" / \\\\ \\n\\t\\u0001\"",
    "\"\\ud83d\"",
    "\"\\udc00x\"",
    "\"🔑\"",
    "\"</script>\"",
    "[]",
    "{}",
    "[[],{},[[]]]",
    "[1,\"a\",null,{\"b\":[true]}]",
    "{\"id\":7,\"name\":\"Zoë\"}",
    "{\"cookie\":1,\"save\":\"nope\"}",
    "{\"a b\":{\"\":{\"花\":[1.25]}}}",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "\"2026-11-25T21:19:38.229Z\"",
    "{\"type\":\"Buffer\",\"data\":[0,255]}",
];

/// Names of data. No whole numbers: JavaScript moves those to the front.
const NAMES: [&str; 9] = ["a", "b", "user", "userName", "花", "a b", "", "x-y", "n.m"];

/// Names that express-session loses. (`save` and the like are methods that it calls itself: the process ends.)
pub const RESERVED: [&str; 5] = ["id", "constructor", "toString", "hasOwnProperty", "valueOf"];

/// What stands in Redis where somebody else has written.
const POISON: [&str; 14] = [
    "",
    "null",
    "\"\"",
    "{bad",
    "{}",
    "[]",
    "5",
    "\"str\"",
    "{\"n\":5}",
    "{\"cookie\":null}",
    "{\"cookie\":\"x\"}",
    "{\"cookie\":{\"maxAge\":\"x\"}}",
    "{\"cookie\":{}}",
    "{\"cookie\":{\"originalMaxAge\":600000,\"expires\":\"garbage\",\"httpOnly\":true,\"path\":\"/\"},\"a\":1}",
];

/// A sequence.
pub fn sequence(rng: &mut Rng, peer: Peer) -> Sequence {
    let mut first = options(rng);
    if peer == Peer::Article {
        // express-session 1.17 does not have these.
        first.cookie.partitioned = None;
        first.cookie.priority = None;
        first.cookie.same_site = first.cookie.same_site.filter(|wanted| wanted != "auto");
    }
    let mut options = vec![first];
    if rng.percent(35) {
        options.push(changed(rng, &options[0]));
    }
    let steps = 8 + rng.below(20);
    let mut now = 0;
    let steps = (0..steps)
        .map(|_| {
            if rng.percent(10) {
                now = rng.index(options.len());
            }
            step(rng, &options, now)
        })
        .collect();
    Sequence {
        peer,
        options,
        steps,
    }
}

fn options(rng: &mut Rng) -> Options {
    let secure = match rng.below(10) {
        0 => Some(json!(true)),
        1 | 2 => Some(json!("auto")),
        _ => None,
    };
    let always = secure == Some(json!(true));
    let same_site = match rng.below(12) {
        0 | 1 => Some(json!("lax")),
        2 | 3 => Some(json!("strict")),
        4 | 5 => Some(json!("auto")),
        6 if always => Some(json!("none")),
        _ => None,
    };
    let max_age = (!rng.percent(30)).then(|| lifetime(rng));
    Options {
        secret: vec!["keyboard cat".to_owned()],
        name: rng.percent(20).then(|| "sid".to_owned()),
        resave: rng.percent(30),
        save_uninitialized: rng.percent(50),
        rolling: rng.percent(40),
        unset: rng.percent(40).then(|| "destroy".to_owned()),
        proxy: rng.percent(50).then_some(true),
        genid: None,
        cookie: Cookie {
            path: rng.percent(20).then(|| "/app".to_owned()),
            domain: rng.percent(10).then(|| "example.com".to_owned()),
            max_age,
            expires: None,
            http_only: rng.percent(15).then_some(false),
            secure,
            same_site,
            partitioned: (always && rng.percent(30)).then_some(true),
            priority: rng
                .percent(15)
                .then(|| rng.pick(&["low", "medium", "high"]).to_string()),
        },
        store: Store {
            ttl: (max_age.is_none() && rng.percent(30)).then_some(1800),
            ..Store::default()
        },
    }
}

fn lifetime(rng: &mut Rng) -> u64 {
    // The longest is one thing to show and no more.
    let among = if rng.percent(5) { 5 } else { 4 };
    LIFETIMES[rng.index(among)]
}

/// What an operator might change while sessions live.
fn changed(rng: &mut Rng, from: &Options) -> Options {
    let mut options = from.clone();
    match rng.below(6) {
        0 | 1 => options.secret.insert(0, "a newer secret".to_owned()),
        2 => options.rolling = !options.rolling,
        3 => options.save_uninitialized = !options.save_uninitialized,
        4 => options.cookie.max_age = Some(lifetime(rng)),
        _ => options.cookie.http_only = Some(options.cookie.http_only.is_some()),
    }
    if options.cookie.max_age.is_some() {
        options.store.ttl = None;
    }
    options
}

fn step(rng: &mut Rng, options: &[Options], index: usize) -> Step {
    let now = &options[index];
    let life = now
        .cookie
        .max_age
        .unwrap_or(now.store.ttl.unwrap_or(86_400) * 1000);
    let pass = match rng.below(10) {
        0..=5 => 0,
        6 | 7 => rng.below(life / 3),
        8 => rng.below(life),
        _ => rng.below(life + life / 3),
    };
    let path = match (&now.cookie.path, rng.below(10)) {
        (None, 0..=7) => "/",
        (None, _) => "/some/where?a=b",
        (Some(_), 0) => "/",
        (Some(_), 1) => "/application",
        (Some(_), 2) => "/App",
        (Some(_), 3..=5) => "/app",
        (Some(_), _) => "/app/x?y=/z",
    };
    let proto = match rng.below(10) {
        0..=4 => None,
        5..=7 => Some("https"),
        8 => Some("http"),
        _ => Some("HTTPS , http"),
    };
    Step {
        by_node: rng.percent(25),
        options: index,
        pass,
        poison: rng.percent(1).then(|| rng.pick(&POISON).to_string()),
        method: match rng.below(10) {
            0 => "POST",
            1 => "HEAD",
            _ => "GET",
        }
        .to_owned(),
        path: path.to_owned(),
        proto: proto.map(str::to_owned),
        cookie: presented(rng),
        ops: operations(rng),
    }
}

fn presented(rng: &mut Rng) -> Presented {
    const FORMS: [Form; 5] = [
        Form::Raw,
        Form::Quoted,
        Form::LowerHex,
        Form::Crowded,
        Form::LastSecret,
    ];
    const FLAWS: [Flaw; 11] = [
        Flaw::Bare,
        Flaw::Unsigned,
        Flaw::OtherId,
        Flaw::OtherMac,
        Flaw::UrlSafe,
        Flaw::Padded,
        Flaw::Stranger,
        Flaw::UpperCase,
        Flaw::Twice,
        Flaw::Empty,
        Flaw::OtherName,
    ];
    match rng.below(100) {
        0..=71 => Presented::Current,
        72..=75 => Presented::None,
        76..=81 => Presented::Past(rng.index(3)),
        82..=89 => Presented::Good(*rng.pick(&FORMS)),
        90..=93 => Presented::Bad(*rng.pick(&FLAWS)),
        94 | 95 => Presented::Signed(
            (*rng.pick(&["nobody-has-this-one", "../../x yé", "a.b.c"])).to_owned(),
        ),
        96 => Presented::GoodThenBad,
        97 => Presented::BadThenGood,
        _ => Presented::TwoHeaders,
    }
}

fn operations(rng: &mut Rng) -> Vec<Value> {
    // What was loaded is compared in any case.
    let mut ops = vec![json!(["read"])];
    for _ in 0..rng.below(5) {
        let op = operation(rng);
        let ends = matches!(op[0].as_str(), Some("destroy" | "unset"));
        ops.push(op);
        if ends {
            match rng.below(4) {
                0 => ops.push(json!(["set", "late", "1"])),
                1 => ops.push(json!(["read"])),
                _ => {}
            }
            break;
        }
    }
    ops
}

fn operation(rng: &mut Rng) -> Value {
    match rng.below(100) {
        0..=34 => json!(["set", rng.pick(&NAMES), rng.pick(&VALUES)]),
        35..=51 => json!(["inc", rng.pick(&["n1", "n2"])]),
        52..=62 => json!(["delete", rng.pick(&NAMES)]),
        63..=70 => json!(["read"]),
        71..=74 => json!(["regenerate"]),
        75..=77 => json!(["destroy"]),
        78..=80 => json!(["unset"]),
        81..=84 => json!(["save"]),
        85..=88 => json!(["reload"]),
        89..=93 => match rng.below(4) {
            0 => json!(["maxAge", null]),
            _ => json!(["maxAge", lifetime(rng)]),
        },
        94 | 95 => json!(["touch"]),
        96 => json!(["status", rng.pick(&[201, 302, 404, 500])]),
        97 => json!(["header", "x-colour", "blue"]),
        98 => json!(["set", rng.pick(&RESERVED), "1"]),
        _ => json!(["set", "big", format!("\"{}\"", "x".repeat(3000))]),
    }
}
