//! The context of the image build, which only a machine with docker can try.

use std::{fs, path::Path};

/// Cargo reads the manifest of every member before it builds one.
#[test]
fn the_image_build_gets_the_manifest_of_each_member_of_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let manifest = read("Cargo.toml");
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let members: Vec<&str> = members
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .collect();
    assert!(members.contains(&"tests"), "{members:?}");
    let (context, dockerfile) = (read(".dockerignore"), read("Dockerfile"));
    for member in members {
        let (allowed, copied) = match member.strip_suffix("/*") {
            Some(folder) => (format!("!{folder}"), format!("COPY {folder} {folder}/")),
            None => (
                format!("!{member}/Cargo.toml"),
                format!("COPY {member}/Cargo.toml {member}/"),
            ),
        };
        let has = |text: &str, line: &str| text.lines().any(|own| own == line);
        assert!(has(&context, &allowed), ".dockerignore lacks {allowed}");
        assert!(has(&dockerfile, &copied), "Dockerfile lacks {copied}");
    }
}
