//! Rule 2: the bytes are returned exactly as they were given.

use bytes::Bytes;
use cloakroom_core::{Replaced, store::Scan};

use crate::{
    StoreFactory,
    case::{Step, ensure_eq},
    probe::{HOUR, Stage, fresh_id, open, same_bytes, scan},
};

/// Gives the bytes back from every call that gives bytes back.
async fn there_and_back(stage: &Stage, value: Bytes, what: &str) -> Step {
    let id = fresh_id();
    stage.probe.make(&id, value.clone(), HOUR).await?;
    let when = format!("{what}, created:");
    stage.probe.holds(&id, &value, &when).await?;
    let mut other = value.to_vec();
    other.push(b'.');
    let changed = stage
        .probe
        .replace(&id, other.clone(), &b"lost"[..], HOUR)
        .await?;
    if let Replaced::Changed(current) = &changed {
        let when = format!("{what}, in the answer to a stale base:");
        same_bytes(&current.value, &value, &when)?;
    } else {
        ensure_eq!(
            changed,
            Replaced::Changed(stage.probe.live(&id, what).await?),
            "{what}: a base with one byte more"
        );
    }
    stage.probe.renew(&id, HOUR * 2).await?;
    let when = format!("{what}, renewed:");
    stage.probe.holds(&id, &value, &when).await?;
    let replaced = stage
        .probe
        .replace(&id, value.clone(), &b"between"[..], HOUR)
        .await?;
    ensure_eq!(replaced, Replaced::Replaced, "{what} as a base");
    let replaced = stage
        .probe
        .replace(&id, &b"between"[..], value.clone(), HOUR)
        .await?;
    ensure_eq!(
        replaced,
        Replaced::Replaced,
        "{what} in place of something else"
    );
    let when = format!("{what}, replaced:");
    stage.probe.holds(&id, &value, &when).await?;
    if let Some(scanner) = &stage.opened.handle.scan {
        listed(&**scanner, &id, &value, what).await?;
    }
    Ok(())
}

async fn listed(
    scanner: &dyn Scan,
    id: &cloakroom_core::SessionId,
    value: &[u8],
    what: &str,
) -> Step {
    let mut cursor = None;
    loop {
        let page = scan(scanner, cursor, 100).await?;
        for (found, stored) in &page.sessions {
            if found == id {
                let when = format!("{what}, listed:");
                return same_bytes(&stored.value, value, &when);
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Err(crate::case::Stop::failed(format_args!(
                "{what} is not listed"
            )));
        }
    }
}

/// Values that break text columns, C strings, shells, patterns and in-band markers.
pub(crate) async fn any_bytes_come_back(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let every: Vec<u8> = (0..=255).collect();
    let values: [(&str, &[u8]); 16] = [
        ("an empty value", b""),
        ("a NUL", b"\0"),
        ("a NUL in the middle", b"before\0after"),
        ("trailing NULs", b"value\0\0"),
        ("what is not UTF-8", b"\xff\xfe\x80\xc3\x28\xed\xa0\x80"),
        ("every byte", &every),
        ("line ends", b"\r\n\n\r"),
        ("blanks", b"  \t value \t "),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("null", b"null"),
        ("a number", b"0"),
        ("a sign", b"-"),
        ("a statement", b"'; DROP TABLE sessions; --"),
        ("a pattern", b"%_*?[a-z]\\"),
        ("a word that a store may use itself", b"destroyed"),
        ("another such word", b"rotated"),
    ];
    for (what, value) in values {
        there_and_back(&stage, Bytes::copy_from_slice(value), what).await?;
    }
    // A slice of something larger is its own bytes alone.
    let slice = Bytes::from_static(b"left out|kept|left out").slice(9..13);
    there_and_back(&stage, slice, "a slice").await
}

/// Around the sizes where columns, pages and buffers end; what cannot be compressed among them.
pub(crate) async fn long_values_come_back(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let largest = stage.opened.largest_value;
    let sizes = [255, 256, 4095, 4096, 65_535, 65_536, 1024 * 1024];
    let fitting = sizes.into_iter().filter(|size| *size < largest);
    for size in fitting.chain([largest - 1]) {
        // A generator after Knuth's MMIX; the bytes have no pattern that a compression would find.
        let mut state = size as u64;
        let noise = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        let value: Vec<u8> = noise.take(size).collect();
        there_and_back(&stage, value.into(), &format!("{size} bytes of noise")).await?;
    }
    Ok(())
}

/// Values as express-session 1.19 writes them by way of connect-redis. Stores that parse and write JSON turn `1.0` into
/// `1`, `[]` into `{}` and lone surrogates into question marks; Node peers compare and read these bytes.
pub(crate) async fn express_values_come_back(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let values = [
        r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":{"id":7,"name":"Zoë"}}"#,
        r#"{"cookie":{"originalMaxAge":3600000,"expires":"2026-11-25T22:23:53.352Z","httpOnly":true,"path":"/"},"n":1}"#,
        r#"{"cookie":{"originalMaxAge":60000,"partitioned":true,"priority":"high","expires":"2026-11-25T21:24:53.352Z","secure":false,"httpOnly":false,"path":"/","sameSite":true}}"#,
        r#"{"cookie":{"originalMaxAge":false,"expires":false,"httpOnly":true,"path":"/"}}"#,
        r#"{"cookie":{},"list":[],"map":{},"big":9007199254740993,"float":1.0,"tiny":1e-7,"slash":"\/"}"#,
        r#"{"cookie":{},"lone":"\ud800","pair":"\ud83d\ude00","nul":"\u0000","sep":"\u2028"}"#,
        r#"{"b":1,"a":2,"cookie":{"path":"/"},"a":3}"#,
        "{ \"cookie\" : { } ,\n\t\"n\" : 1 }\n",
    ];
    for (number, value) in values.into_iter().enumerate() {
        let what = format!("value {number} of express");
        there_and_back(&stage, Bytes::from_static(value.as_bytes()), &what).await?;
    }
    let deep = format!(
        r#"{{"cookie":{{}},"deep":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    there_and_back(&stage, deep.into(), "a value of depth 200").await
}
