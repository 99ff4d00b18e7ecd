//! The generated parts of the documentation: figures between two markers.

use std::{fs, io, path::PathBuf};

pub mod credentials;
pub mod journeys;
pub mod latency;
pub mod operations;
pub mod sessions;

const BEGIN: &str = "<!-- figures: begin (scripts/bench docs) -->\n";
const END: &str = "<!-- figures: end -->\n";

/// A page of `docs/` with figures.
struct Page {
    name: &'static str,
    /// The text between the markers, from the stored figures.
    figures: fn() -> io::Result<String>,
}

const PAGES: [Page; 6] = [
    Page {
        name: "sessions.md",
        figures: sessions::tables,
    },
    Page {
        name: "operations.md",
        figures: operations::tables,
    },
    Page {
        name: "credentials.md",
        figures: credentials::tables,
    },
    Page {
        name: "lab.md",
        figures: journeys::table,
    },
    Page {
        name: "introspection.md",
        figures: latency::introspection,
    },
    Page {
        name: "mtls.md",
        figures: latency::mtls,
    },
];

/// Writes the stored figures into all pages.
pub fn write() -> io::Result<()> {
    PAGES
        .iter()
        .try_for_each(|page| fs::write(page.file(), page.updated()?))
}

/// The pages that differ from the stored figures.
pub fn outdated() -> io::Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for page in &PAGES {
        if page.updated()? != fs::read_to_string(page.file())? {
            names.push(page.name);
        }
    }
    Ok(names)
}

impl Page {
    fn file(&self) -> PathBuf {
        let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        docs.join(self.name)
    }

    /// The page with the stored figures.
    fn updated(&self) -> io::Result<String> {
        let text = fs::read_to_string(self.file())?;
        filled(&text, &(self.figures)()?)
            .ok_or_else(|| io::Error::other(format!("docs/{} has no markers", self.name)))
    }
}

/// `text` with `figures` between the markers; `None` if it has no markers.
fn filled(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_between_the_markers_and_nothing_else_changes() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        let once = filled(&text, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n\n{END}b\n"));
        assert_eq!(filled(&once, "new\n").unwrap(), once);
        assert_eq!(filled("no markers", "new\n"), None);
    }
}
