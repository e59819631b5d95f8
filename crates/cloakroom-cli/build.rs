//! Compiles the files of `template/` into the program.
//!
//! `template/` has symbolic links to the login application and to the workspace's own files, so that what `cloakroom new`
//! writes is what is built and tested here. `cargo package` follows them, and the published crate has the files themselves.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let template = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("template");
    if !template.join("src").is_dir() {
        let told = format!(
            "{} is no folder: this checkout has been made without symbolic links. Run `git config core.symlinks true` and check \
             the files out again.",
            template.join("src").display()
        );
        return Err(told.into());
    }
    let mut paths = Vec::new();
    walk(&template, &mut paths)?;
    paths.sort();
    let mut list = String::from("&[\n");
    for path in paths {
        let name = path.strip_prefix(&template)?;
        let parts: Option<Vec<_>> = name.iter().map(|part| part.to_str()).collect();
        let name = parts.ok_or("a file's name is not Unicode")?.join("/");
        writeln!(list, "    ({name:?}, include_str!({path:?})),")?;
    }
    list.push_str("]\n");
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("template.rs"),
        list,
    )?;
    Ok(())
}

/// Every file below a folder, whatever the links on the way lead to.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    // The folder itself as well: a file that is added changes no other one.
    println!(
        "cargo:rerun-if-changed={}",
        folder.canonicalize()?.display()
    );
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
