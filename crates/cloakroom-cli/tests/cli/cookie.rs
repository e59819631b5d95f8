//! Signing and verifying, against what Node computed.

use serde_json::Value;

use crate::stage::{handle, program, with_input};

fn vectors() -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../cloakroom-core/tests/fixtures/express-vectors.json"
    );
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all["sign"].as_array().unwrap().clone()
}

#[test]
fn cookies_are_those_of_express() {
    let mut signed = 0;
    for vector in vectors() {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        // The variable is a list, trimmed.
        let secret = text("secret");
        if secret.contains(',') || secret.is_empty() || secret.trim() != secret {
            continue;
        }
        let run = |arguments: &[&str], input: &str| {
            let mut command = program();
            command
                .env("SESSION_SECRET", text("secret"))
                .arg("cookie")
                .args(arguments);
            with_input(&mut command, input)
        };
        let known = cloakroom::SessionId::parse(text("id")).is_some();
        let (_, value) = text("wire").split_once('=').unwrap();
        if known {
            signed += 1;
            assert_eq!(run(&["sign", text("id")], "").well().trim_end(), value);
            assert_eq!(
                run(&["sign", "--raw"], text("id")).well().trim_end(),
                text("signed")
            );
        } else {
            assert_eq!(run(&["sign"], text("id")).status, Some(2));
        }
        let header = format!("Cookie: theme=dark; {}; x=1", text("wire"));
        for input in [value, text("wire"), &header] {
            let verified = run(&["verify", "--name", text("name"), "--json"], input);
            let said: Value = serde_json::from_str(&verified.out).unwrap();
            assert_eq!(said["valid"], known, "{verified:?}");
            assert_eq!(verified.status, Some(i32::from(!known)));
            if known {
                assert_eq!(
                    (&said["secret"], &said["handle"]),
                    (&1.into(), &handle(text("id")).into())
                );
                assert_eq!(said.get("id"), None);
            } else {
                assert_eq!(said["reason"], "bad_id");
            }
        }
    }
    assert!(signed >= 2, "vectors with ids of ours");
}

#[test]
fn the_secret_that_signed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets");
    std::fs::write(&file, "hunter2-new\nhunter2-old\n").unwrap();
    let run = |secrets: &str, arguments: &[&str], input: &str| {
        let mut command = program();
        command
            .env("SESSION_SECRET", secrets)
            .arg("cookie")
            .args(arguments);
        with_input(&mut command, input)
    };
    let old = run("hunter2-old", &["sign", "abc"], "").well();
    let list = run("hunter2-new,hunter2-old", &["verify", "--show-id"], &old);
    assert!(
        list.out.contains("secret 2 of 2") && list.out.contains("abc"),
        "{list:?}"
    );
    let file = file.to_str().unwrap();
    let from_file = run("hunter2-other", &["verify", "--secret-file", file], &old);
    assert!(from_file.out.contains("secret 2 of 2"), "{from_file:?}");
    assert!(!from_file.out.contains("abc"));
    let quoted = format!("\"{}\"", old.trim_end());
    assert_eq!(run("hunter2-old", &["verify", &quoted], "").status, Some(0));
    for (secrets, input, says) in [
        ("hunter2-new", old.as_str(), "changed"),
        ("hunter2-new,hunter2-x", &old, "none of the 2 secrets"),
        ("hunter2-old", "abc", "no signed cookie"),
        ("hunter2-old", "other=1; more=2", "--name"),
    ] {
        let refused = run(secrets, &["verify"], input);
        assert_eq!(refused.status, Some(1), "{refused:?}");
        let shown = format!("{}{}", refused.out, refused.err);
        assert!(
            shown.contains(says) && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
