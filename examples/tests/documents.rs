//! What the documents say of files, settings and licenses is so.

use std::{fs, path::Path};

const DOCUMENTS: [&str; 11] = [
    "README.md",
    "README.ja.md",
    "DESIGN.md",
    "COMPARE.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "docs/tutorial.md",
    "docs/tutorial.ja.md",
    "docs/containers.md",
    "deploy/aws/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let here = target.starts_with("https://") || folder.join(target).exists();
            assert!(here, "{document} links to {target}");
        }
    }
}

#[test]
fn the_settings_are_the_applications() {
    let cli = read("apps/login/src/config/cli.rs");
    let values_of = |attribute: &'static str| {
        let start = format!("{attribute} = \"");
        move |text: &str| {
            let (_, rest) = text.split_once(&start)?;
            Some(rest.split('"').next()?.to_owned())
        }
    };
    let (variable, default) = (values_of("env"), values_of("default_value"));
    let mut count = 0;
    for argument in cli.split("#[arg(").skip(1) {
        let attributes = argument.split(")]").next().unwrap();
        let variable = variable(attributes).unwrap();
        count += 1;
        for readme in ["README.md", "README.ja.md"] {
            let text = read(readme);
            let row = text
                .lines()
                .rfind(|line| line.starts_with("| `") && line.contains(&format!("`{variable}`")))
                .unwrap_or_else(|| panic!("{readme} has no row for {variable}"));
            if let Some(default) = default(attributes) {
                let cell = format!("| `{variable}` | `{default}` |");
                assert!(row.starts_with(&cell), "{readme}: {row}");
            }
        }
    }
    assert_eq!(count, 22, "settings of the application");
}

#[test]
fn every_dependency_is_justified() {
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("[workspace.dependencies]").unwrap();
    let section = rest.split("\n[").next().unwrap();
    let design = read("DESIGN.md");
    let (_, reasons) = design.split_once("## Dependencies").unwrap();
    for line in section.lines().filter(|line| line.contains('=')) {
        let name = line.split_whitespace().next().unwrap();
        let ours = name.starts_with("cloakroom");
        assert!(
            ours || reasons.contains(&format!("`{name}`")),
            "DESIGN.md does not say what {name} is for"
        );
    }
}

/// The tests' own tools, which no manifest of cargo names: pinned in these files.
#[test]
fn every_tool_that_the_tests_install_is_justified() {
    let design = read("DESIGN.md");
    let (_, reasons) = design.split_once("## Dependencies").unwrap();
    let mut count = 0;
    for file in ["scripts/containers/engine", "scripts/documents/aws"] {
        let text = read(file);
        let pins = text.split(|c: char| c.is_whitespace() || "()".contains(c));
        let pins = pins.filter_map(|word| word.split_once("=="));
        for (name, _) in pins.filter(|(name, _)| !name.is_empty()) {
            count += 1;
            assert!(
                reasons.contains(&format!("`{name}`")),
                "DESIGN.md does not say what {name} of {file} is for"
            );
        }
    }
    assert_eq!(count, 5, "pinned tools");
    assert!(read("scripts/containers/cases-compose").contains("\"@devcontainers/cli@"));
    assert!(reasons.contains("`@devcontainers/cli`"));
}

/// The bound is a constructor's field, and nothing else says it.
#[test]
fn the_stated_bound_of_calls_to_redis_is_the_code_s() {
    let builder = read("crates/cloakroom-redis/src/builder.rs");
    let (_, rest) = builder.split_once("            max_in_flight: ").unwrap();
    let bound = rest.split(',').next().unwrap();
    let security = read("SECURITY.md");
    let row = security
        .lines()
        .find(|line| line.contains("`max_in_flight` of the store"))
        .unwrap();
    assert!(row.contains(&format!("| {bound} |")), "{bound}: {row}");
}

#[test]
fn the_stated_rust_version_is_the_manifests() {
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("rust-version = \"").unwrap();
    let version = rest.split('"').next().unwrap();
    let documents = [
        "README.md",
        "README.ja.md",
        "DESIGN.md",
        "CONTRIBUTING.md",
        "docs/tutorial.md",
        "docs/tutorial.ja.md",
    ];
    for document in documents {
        assert!(read(document).contains(version), "{document}: {version}");
    }
}
