//! What the documentation says about the time until a revocation counts, in each session
//! mode. The other figures of the table come from the journey itself.

/// A row of the table.
pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) revoked: &'static str,
}

pub(super) const MODES: [Mode; 4] = [
    Mode {
        name: "stateful",
        revoked: "at the next call; another replica refuses it within 2.9 ms (median)",
    },
    Mode {
        name: "cached",
        revoked: "within 2.5 ms (median) in every process; after a second at most where the store is silent",
    },
    Mode {
        name: "hybrid",
        revoked: "within milliseconds where the process hears of it; elsewhere with its access token, 15 minutes at most",
    },
    Mode {
        name: "stateless",
        revoked: "at once in the process that learns of the end; elsewhere with its access token, 15 minutes at most",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_documentation() {
        let documented = include_str!("../../../../docs/sessions.md");
        for mode in &MODES {
            assert!(documented.contains(&format!("`{}`", mode.name)));
            for figure in mode.revoked.split([';', ',']) {
                if let Some(at) = figure.find("within ")
                    && figure.contains("(median)")
                {
                    let figure = figure[at..].split(" in every").next().unwrap_or_default();
                    let said = format!("refused it {}", figure.trim());
                    assert!(documented.contains(&said), "{said}");
                }
            }
        }
        assert!(documented.contains("15 minutes at most"));
    }
}
