use std::thread;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn id(number: usize) -> SessionId {
    SessionId::parse(&format!("session-{number:06}")).unwrap()
}

fn cache(options: NearCache) -> Cache {
    let prefix = "sess:".into();
    Cache::new(options, Keys { prefix })
}

fn stored(value: &'static str, remaining: Option<Duration>) -> Stored {
    Stored {
        value: value.into(),
        remaining,
    }
}

fn put(cache: &Cache, number: usize, value: &'static str, now: Instant) {
    let asked = cache.ask(&id(number), now);
    cache.keep(&id(number), asked, &stored(value, Some(HOUR)));
}

fn holds(cache: &Cache, number: usize, now: Instant) -> bool {
    cache.session(&id(number), now).is_some()
}

/// The race that redis-rs 1.8 loses: the server says that the key changed after it has answered and before the answer is
/// put in.
#[test]
fn an_answer_that_was_spoken_against_while_it_was_under_way_is_not_kept() {
    let now = Instant::now();
    let ways: [fn(&Cache); 5] = [
        |cache| cache.forget(&id(1)),
        |cache| cache.forget_key(b"sess:session-000001"),
        Cache::forget_all,
        Cache::close,
        // It is asked for again meanwhile, and that question's mark is not this one's.
        |cache| {
            cache.forget(&id(1));
            cache.ask(&id(1), Instant::now());
        },
    ];
    for (number, speak) in ways.iter().enumerate() {
        let cache = cache(NearCache::new());
        let asked = cache.ask(&id(1), now);
        speak(&cache);
        cache.keep(&id(1), asked, &stored("old", None));
        assert!(!holds(&cache, 1, now), "way {number}");
    }
    let cache = cache(NearCache::new());
    let asked = cache.ask(&id(1), now);
    // Others do not matter, whatever they are named.
    for key in [&b"sess:session-000002"[..], b"session-000001", b"", b"\xff"] {
        cache.forget_key(key);
    }
    cache.keep(&id(1), asked, &stored("new", None));
    assert!(holds(&cache, 1, now));
}

#[test]
fn the_revision_is_kept_and_spoken_against_by_itself() {
    let now = Instant::now();
    let ways: [fn(&Cache); 4] = [
        Cache::forget_revision,
        |cache| cache.forget_key(b"ck:r:{5:sess:}"),
        Cache::forget_all,
        Cache::close,
    ];
    for (number, speak) in ways.iter().enumerate() {
        let cache = cache(NearCache::new().max_age(SECOND));
        let asked = cache.ask_revision(now);
        speak(&cache);
        cache.keep_revision(asked, Revision(1));
        assert_eq!(cache.revision(now), None, "way {number}");
        if number < 3 {
            let asked = cache.ask_revision(now);
            cache.forget(&id(1));
            cache.keep_revision(asked, Revision(2));
            assert_eq!(cache.revision(now), Some(Revision(2)));
            assert_eq!(cache.revision(now + SECOND), None);
            speak(&cache);
            assert_eq!(cache.revision(now), None, "way {number}");
        }
    }
}

#[test]
fn several_questions_at_once_share_a_mark() {
    let now = Instant::now();
    let cache = cache(NearCache::new());
    let (one, two) = (cache.ask(&id(1), now), cache.ask(&id(1), now + SECOND));
    cache.keep(&id(1), two, &stored("answer", Some(HOUR)));
    cache.keep(&id(1), one, &stored("answer", Some(HOUR)));
    assert!(holds(&cache, 1, now + SECOND));
    // One that comes while the answer stands has nothing to say.
    let late = cache.ask(&id(1), now);
    cache.drop_mark(&id(1), late);
    cache.keep(&id(1), late, &stored("late", Some(HOUR)));
    let found = cache.session(&id(1), now + SECOND).unwrap();
    assert_eq!(found.value.bytes(), "answer");

    let (one, two) = (cache.ask(&id(2), now), cache.ask(&id(2), now));
    cache.forget(&id(2));
    cache.keep(&id(2), one, &stored("old", None));
    cache.keep(&id(2), two, &stored("old", None));
    assert!(!holds(&cache, 2, now));
}

#[test]
fn an_answer_ages_and_a_session_ends_in_its_time() {
    let now = Instant::now();
    let cache = cache(NearCache::new().max_age(SECOND * 5));
    let left = |number, after| {
        let found = cache.session(&id(number), now + after);
        found.map(|stored| stored.remaining)
    };
    let lives = [
        (1, Some(SECOND * 60)),
        (2, Some(SECOND * 3)),
        (3, None),
        (4, Some(Duration::ZERO)),
    ];
    for (number, remaining) in lives {
        let asked = cache.ask(&id(number), now);
        cache.keep(&id(number), asked, &stored("{}", remaining));
    }
    assert_eq!(left(1, SECOND * 2), Some(Some(SECOND * 58)));
    assert_eq!(left(2, SECOND * 2), Some(Some(SECOND)));
    assert_eq!(left(3, SECOND * 2), Some(None));
    assert_eq!(left(4, Duration::ZERO), None);
    assert_eq!(left(2, SECOND * 3), None);
    let almost = Duration::from_millis(4999);
    assert!(left(1, almost).is_some() && left(3, almost).is_some());
    assert_eq!(left(1, SECOND * 5), None);
    assert_eq!(left(3, SECOND * 5), None);
    // What is too old is gone, not only hidden.
    assert_eq!(left(1, Duration::ZERO), None);
}

fn total(cache: &Cache) -> (usize, usize) {
    let parts = cache.parts.iter().map(|part| {
        let part = lock(part);
        let sizes = part.entries.iter().map(|(id, kept)| size(id, kept));
        (part.entries.len(), sizes.sum::<usize>())
    });
    let total = parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let counted = [&cache.total.sessions, &cache.total.bytes].map(|n| n.load(Ordering::Relaxed));
    assert_eq!([total.0, total.1], counted);
    total
}

#[test]
fn no_more_is_kept_than_was_allowed_whatever_is_asked_for() {
    let now = Instant::now();
    for capacity in [1, 2, 3, 63, 64, 200, 1000, 1001] {
        let cache = cache(NearCache::new().capacity(capacity));
        for number in 0..capacity * 3 + 10 {
            put(&cache, number, "{}", now);
            // Marks count too.
            cache.ask(&id(100_000 + number), now);
            let (sessions, _) = total(&cache);
            assert!(sessions <= capacity, "{sessions} of {capacity}");
        }
    }
    let large = "x".repeat(1000).leak();
    for max_bytes in [1, 2000, 10_000, 300_000, 3_000_000] {
        let cache = cache(NearCache::new().max_bytes(max_bytes));
        for number in 0..2000 {
            put(
                &cache,
                number,
                if number % 2 == 0 { large } else { "{}" },
                now,
            );
        }
        let (sessions, bytes) = total(&cache);
        assert!(bytes <= max_bytes, "{bytes} of {max_bytes}");
        assert_eq!(sessions > 0, max_bytes >= 2000);
    }
}

/// Ids do not fall evenly into the parts. Were each part to forget beyond its own share, a table that has room for all sessions
/// would lose those of the fuller parts, and with sessions that come in turn it would lose all of those each time.
#[test]
fn as_many_are_kept_as_were_allowed_however_their_ids_fall() {
    let now = Instant::now();
    let capacity = 10_000;
    let cache = cache(NearCache::new().capacity(capacity).max_bytes(usize::MAX));
    assert!(cache.parts.len() > 1);
    for number in 0..capacity {
        put(&cache, number, "{}", now);
    }
    assert!((0..capacity).all(|number| holds(&cache, number, now)));
    // Beyond that, the table stays full, and what is new is among what is kept.
    for number in capacity..3 * capacity {
        put(&cache, number, "{}", now);
        assert!(holds(&cache, number, now));
    }
    assert_eq!(total(&cache).0, capacity);
    // Room that one part gave up is room for any other.
    for number in 0..3 * capacity {
        cache.forget(&id(number));
    }
    assert_eq!(total(&cache), (0, 0));
}

/// Many at once: nothing is counted twice or forgotten, and nobody waits for somebody who waits.
#[test]
fn threads_that_put_in_and_take_out_leave_the_count_right() {
    let cache = cache(NearCache::new().capacity(1500));
    thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..20_000 {
                    let number = (round * 7 + thread * 1000) % 4000;
                    put(cache, number, "{}", Instant::now());
                    if round % 3 == 0 {
                        cache.forget(&id(number / 2));
                    }
                }
            });
        }
    });
    let (sessions, _) = total(&cache);
    assert!((1..=1500).contains(&sessions), "{sessions}");
}

#[test]
fn what_was_not_asked_for_the_longest_gives_way() {
    let now = Instant::now();
    let cache = cache(NearCache::new().capacity(3));
    for number in 0..3 {
        put(&cache, number, "{}", now);
    }
    // What is asked for again at once is not noted each time.
    assert!(holds(&cache, 1, now));
    assert!(holds(&cache, 0, now + NOTED_EVERY));
    put(&cache, 3, "{}", now);
    assert_eq!(
        [0, 1, 2, 3].map(|n| holds(&cache, n, now)),
        [true, false, true, true]
    );
}

/// One huge session must not push out everybody else.
#[test]
fn a_session_that_does_not_fit_pushes_nobody_out() {
    let now = Instant::now();
    let cache = cache(NearCache::new().max_bytes(5000));
    put(&cache, 1, "{}", now);
    put(&cache, 2, "x".repeat(5000).leak(), now);
    assert_eq!([1, 2].map(|n| holds(&cache, n, now)), [true, false]);
    assert_eq!(total(&cache).0, 1);
}

#[test]
fn a_mark_goes_with_its_question_and_a_closed_table_stays_empty() {
    let now = Instant::now();
    let cache = cache(NearCache::new());
    let asked = cache.ask(&id(1), now);
    cache.drop_mark(&id(1), asked);
    assert_eq!(total(&cache), (0, 0));
    put(&cache, 1, "{}", now);
    cache.close();
    assert!(!holds(&cache, 1, now));
    put(&cache, 1, "{}", now);
    assert_eq!(total(&cache), (0, 0));
    let asked = cache.ask_revision(now);
    cache.keep_revision(asked, Revision(1));
    assert_eq!(cache.revision(now), None);
}

/// The figure of [`NearCache::max_bytes`].
#[test]
fn a_session_counts_with_what_the_option_says_beside_its_value_and_its_id() {
    let live = Live {
        value: CachedValue::new("{}".into()),
        remaining: None,
        noted: Instant::now(),
    };
    let kept = Kept::Answer(live, Instant::now());
    let counted = size(&id(1), &kept) - "{}".len() - id(1).as_str().len();
    assert!((900..=950).contains(&counted), "{counted}");
}
