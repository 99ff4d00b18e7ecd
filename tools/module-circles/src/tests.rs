use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::*;

/// Files by their paths below `src`.
struct Planted(BTreeMap<PathBuf, &'static str>);

impl Files for Planted {
    fn read(&self, path: &Path) -> io::Result<String> {
        let found = self.0.get(path).map(|text| (*text).to_owned());
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The circles of a crate with these files, each as its members and its uses.
fn found(files: &[(&str, &'static str)]) -> Vec<(Vec<String>, Vec<String>)> {
    let files = files
        .iter()
        .map(|(name, text)| (Path::new("c/src").join(name), *text));
    let circles = circles_of(&Planted(files.collect()), Path::new("c")).unwrap();
    let as_text = |circle: Circle| {
        let uses = circle.uses.iter().map(ToString::to_string).collect();
        (circle.members, uses)
    };
    circles.into_iter().map(as_text).collect()
}

#[test]
fn two_siblings_that_use_each_other_are_named_with_file_and_line() {
    let circles = found(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "pub struct B;\nfn f() -> super::a::A { todo!() }"),
    ]);
    let [(members, uses)] = &circles[..] else {
        panic!("{circles:?}")
    };
    assert_eq!(members, &["a", "b"]);
    assert_eq!(
        uses,
        &[
            "c/src/a.rs:1: a -> b (crate::b::B)",
            "c/src/b.rs:2: b -> a (super::a::A)"
        ]
    );
}

#[test]
fn a_longer_way_round_is_a_circle_too_and_who_only_uses_it_is_no_part() {
    let circles = found(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::f; pub fn g() {}"),
        ("b.rs", "pub fn f() { crate::c::h() }"),
        ("c.rs", "use crate::{a::{self, g as other}}; pub fn h() {}"),
        ("d.rs", "use crate::{a, b, c};"),
    ]);
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].0, ["a", "b", "c"]);
}

#[test]
fn a_child_that_uses_its_parents_items_makes_no_circle() {
    let circles = found(&[
        ("lib.rs", "mod a;"),
        (
            "a/mod.rs",
            "mod x; mod y; pub struct A; fn f() { x::f(); y::f() }",
        ),
        ("a/x.rs", "use super::A; pub fn f() {}"),
        ("a/y.rs", "use crate::a::A; use super::x; pub fn f() {}"),
    ]);
    assert!(circles.is_empty(), "{circles:?}");
}

#[test]
fn what_a_parent_re_exports_belongs_to_the_child_that_defines_it() {
    for parent in [
        "mod x; mod y; pub use self::{x::X, y::Y};",
        "mod x; mod y; pub use x::*; pub use y::*;",
    ] {
        let circles = found(&[
            ("lib.rs", "mod a;"),
            ("a.rs", parent),
            ("a/x.rs", "use super::Y; pub struct X(Y);"),
            (
                "a/y.rs",
                "pub struct Y; impl Y { fn f() -> crate::a::X { todo!() } }",
            ),
        ]);
        assert_eq!(circles.len(), 1, "{parent}");
        assert_eq!(circles[0].0, ["x", "y"]);
    }
}

#[test]
fn names_that_come_by_a_glob_import_count() {
    let circles = found(&[(
        "lib.rs",
        "mod a { pub mod x { use super::*; fn f(_: Y) {} pub struct X; } mod y { pub struct Y; use super::x::X; } use y::Y; }",
    )]);
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].0, ["x", "y"]);
}

#[test]
fn a_use_counts_for_the_ancestors_that_are_siblings() {
    let circles = found(&[
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod deep;"),
        ("a/deep.rs", "fn f() { crate::b::low::g() }"),
        ("b/mod.rs", "pub mod low; use crate::a;"),
        ("b/low.rs", "pub fn g() {}"),
    ]);
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].0, ["a", "b"]);
}

#[test]
fn test_code_comments_strings_and_other_crates_count_for_nothing() {
    let circles = found(&[
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"),
        (
            "a.rs",
            "use crate::b::B;\n// crate::b\npub struct A { #[cfg(test)] x: u8, y: B }",
        ),
        (
            "b.rs",
            "pub struct B;\nuse ::a::Foreign; use other::a::A;\nconst S: &str = \"crate::a::A\";\n\
             #[cfg(test)]\nuse crate::{a::A};\n#[cfg(test)]\nmod tests { use super::super::a::A; }\n\
             #[cfg(test)]\nfn helper() -> crate::a::A { todo!() }\nfn f(x: B) { x.a::<u8>(); }",
        ),
    ]);
    assert!(circles.is_empty(), "{circles:?}");
}

#[test]
fn the_code_behind_test_code_still_counts() {
    let circles = found(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "#[cfg(test)]\nuse x::{y};\nuse crate::b::B; pub struct A;",
        ),
        (
            "b.rs",
            "#[cfg(test)] fn t() { let x = [1; 2]; } pub struct B(crate::a::A);",
        ),
    ]);
    assert_eq!(circles.len(), 1);
}

#[test]
fn a_crate_without_a_root_is_an_error() {
    assert!(circles_of(&Planted(BTreeMap::new()), Path::new("c")).is_err());
}
