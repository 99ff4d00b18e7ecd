//! Finds circles among the sibling modules of crates. A circle is what makes
//! a set of files readable only all at once. A child that uses an item of its
//! parent is none: the parent is where the children meet.
//!
//! `module-circles DIR…` reads `DIR/src/lib.rs` and `DIR/src/main.rs`, prints the
//! uses that make each circle and exits with 1 where there is one.

mod circles;
mod lexer;
mod modules;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use self::{
    circles::{Circle, circles},
    modules::{Crate, Files},
};

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let mut is_clean = true;
    for folder in std::env::args_os().skip(1).map(PathBuf::from) {
        match circles_of(&Disk, &folder) {
            Ok(found) => {
                for circle in &found {
                    is_clean = false;
                    println!("{}", described(&folder, circle));
                }
            }
            Err(error) => {
                is_clean = false;
                eprintln!("module-circles: {error}");
            }
        }
    }
    if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The circles of the library and of the program in `folder`.
fn circles_of(files: &dyn Files, folder: &Path) -> io::Result<Vec<Circle>> {
    let roots = ["lib.rs", "main.rs"].map(|name| folder.join("src").join(name));
    let roots: Vec<_> = roots
        .iter()
        .filter(|root| files.read(root).is_ok())
        .collect();
    if roots.is_empty() {
        let what = format!(
            "{}: there is no src/lib.rs or src/main.rs",
            folder.display()
        );
        return Err(io::Error::other(what));
    }
    let mut found = Vec::new();
    for root in roots {
        found.extend(circles(&Crate::read(files, root)?));
    }
    Ok(found)
}

fn described(folder: &Path, circle: &Circle) -> String {
    let Circle {
        parent,
        members,
        uses,
    } = circle;
    let uses: Vec<_> = uses.iter().map(|one| format!("  {one}")).collect();
    let among = members.join(", ");
    format!(
        "{}: a circle below {parent}, of {among}\n{}",
        folder.display(),
        uses.join("\n")
    )
}

#[cfg(test)]
mod tests;
