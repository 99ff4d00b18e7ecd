//! The colours of the pages can be told apart and read (WCAG 2.2).

use std::collections::BTreeMap;

use super::Site;

const CSS: &str = include_str!("../../assets/colours.css");

type Rgb = [f64; 3];

/// The two blocks of custom properties: light, then dark.
fn schemes() -> [BTreeMap<&'static str, Rgb>; 2] {
    hex_schemes().map(|scheme| {
        scheme
            .into_iter()
            .map(|(name, hex)| (name, rgb(hex)))
            .collect()
    })
}

fn hex_schemes() -> [BTreeMap<&'static str, &'static str>; 2] {
    let (light, dark) = CSS
        .split_once("@media (prefers-color-scheme: dark)")
        .unwrap();
    [light, dark].map(|block| {
        let properties = block
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--"));
        properties
            .filter_map(|line| line.split_once(": #"))
            .collect()
    })
}

fn rgb(hex: &str) -> Rgb {
    [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0)
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: Rgb) -> f64 {
    let [r, g, b] = colour.map(|c| {
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn the_measure_is_wcags() {
    assert!((contrast(rgb("ffffff"), rgb("000000")) - 21.0).abs() < 1e-9);
    assert!((contrast(rgb("777777"), rgb("ffffff")) - 4.48).abs() < 0.01);
}

#[test]
fn every_site_colour_reads_as_text_and_carries_text_in_both_schemes() {
    for label in Site::ALL.map(Site::short_name) {
        for scheme in schemes() {
            for ground in ["paper", "sheet", "on-accent"] {
                let ratio = contrast(scheme[label], scheme[ground]);
                assert!(ratio >= 4.5, "--{label} on --{ground}: {ratio:.2}");
            }
        }
    }
}

#[test]
fn all_other_text_reads_in_both_schemes() {
    for scheme in schemes() {
        for text in ["ink", "muted", "bad", "good"] {
            for ground in ["paper", "sheet", "well"] {
                let ratio = contrast(scheme[text], scheme[ground]);
                assert!(ratio >= 4.5, "--{text} on --{ground}: {ratio:.2}");
            }
        }
    }
}

#[test]
fn no_two_sites_share_a_colour() {
    let labels = Site::ALL.map(Site::short_name);
    for scheme in hex_schemes() {
        for (i, a) in labels.iter().enumerate() {
            assert!(
                labels[i + 1..].iter().all(|b| scheme[a] != scheme[b]),
                "{a}"
            );
        }
    }
}

#[test]
fn each_site_has_a_class() {
    for label in Site::ALL.map(Site::short_name) {
        assert!(
            CSS.contains(&format!(".of-{label} {{ --accent: var(--{label}); }}")),
            "{label}"
        );
    }
}
