//! Which names a project may have.
//!
//! The name becomes that of a cargo package, of a program, of a container image and of a compose project, so it must suit
//! each of them.

/// The longest name, as crates.io has it.
const LONGEST: usize = 64;

/// The words of Rust, of every edition.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The crates that come with Rust.
const STANDARD: [&str; 6] = ["alloc", "core", "proc-macro", "proc_macro", "std", "test"];

/// Folders that cargo makes beside the programs.
const ARTIFACTS: [&str; 4] = ["build", "deps", "examples", "incremental"];

/// Names that no file of Windows may have.
const DEVICES: [&str; 22] = [
    "aux", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "con", "lpt1",
    "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "nul", "prn",
];

/// Whether a project may be called so.
///
/// # Errors
///
/// What is wrong with the name, as the end of a sentence that begins with it.
pub(super) fn check(name: &str, dependencies: &[String]) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty".to_owned());
    }
    if name.len() > LONGEST {
        return Err(format!("has {} bytes; {LONGEST} are allowed", name.len()));
    }
    if !is_spelled_well(name) {
        return Err(
            "must be lower-case ASCII letters and digits, with single `-` or `_` between them, and begin with a letter"
                .to_owned(),
        );
    }
    let why = if KEYWORDS.contains(&name) {
        "is a word of the Rust language"
    } else if STANDARD.contains(&name) {
        "is a crate that comes with Rust"
    } else if ARTIFACTS.contains(&name) {
        "is a folder that cargo makes beside the programs"
    } else if DEVICES.contains(&name) {
        "is a device on Windows"
    } else if dependencies.iter().any(|dependency| dependency == name) {
        "is a crate that the project depends on"
    } else {
        return Ok(());
    };
    Err(why.to_owned())
}

fn is_spelled_well(name: &str) -> bool {
    let part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(fits)
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split(['-', '_']).all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_suit_cargo_images_and_rust() {
        let longest = "a".repeat(64);
        for name in ["shop", "a", "my-shop", "my_shop2", "a-b-c", "x1", &longest] {
            assert_eq!(check(name, &["axum".to_owned()]), Ok(()), "{name}");
        }
    }

    #[test]
    fn every_other_name_is_refused_with_its_reason() {
        let long = "a".repeat(65);
        let cases = [
            ("", "is empty"),
            (&long, "65 bytes"),
            ("1shop", "begin with a letter"),
            ("-shop", "begin with a letter"),
            ("_shop", "begin with a letter"),
            ("shop-", "single `-`"),
            ("my--shop", "single `-`"),
            ("my-_shop", "single `-`"),
            ("Shop", "lower-case"),
            ("my shop", "lower-case"),
            ("my.shop", "lower-case"),
            ("a/b", "lower-case"),
            ("caf\u{e9}", "lower-case"),
            ("\u{82b1}\u{5b50}", "lower-case"),
            ("shop\n", "lower-case"),
            ("shop\"", "lower-case"),
            ("fn", "word of the Rust language"),
            ("gen", "word of the Rust language"),
            ("async", "word of the Rust language"),
            ("self", "word of the Rust language"),
            ("core", "comes with Rust"),
            ("test", "comes with Rust"),
            ("proc-macro", "comes with Rust"),
            ("deps", "cargo makes"),
            ("nul", "device"),
            ("axum", "depends on"),
        ];
        for (name, why) in cases {
            let refused = check(name, &["axum".to_owned()]).unwrap_err();
            assert!(refused.contains(why), "{name:?}: {refused}");
        }
    }
}
