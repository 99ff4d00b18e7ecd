use kit::random::SeededRandom;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn file() -> (tempfile::TempDir, File) {
    let home = tempfile::tempdir().unwrap();
    let file = File::at(home.path().join("api-1-keys.json"));
    (home, file)
}

fn add(file: &File, name: &str, seed: u64) -> Result<NewKey, FileError> {
    file.add(name, &[READ.to_owned()], DAY, NOW, &SeededRandom::new(seed))
}

#[test]
fn keys_are_added_listed_and_revoked_by_id_or_by_name() {
    let (_home, file) = file();
    assert_eq!(file.list(NOW).unwrap(), []);
    let (first, other) = (
        add(&file, "shop", 1).unwrap(),
        add(&file, "till", 2).unwrap(),
    );
    let listed = file.list(NOW).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|key| key.live));
    let text = fs::read_to_string(file.path()).unwrap();
    assert!(!text.contains(&first.text) && !text.contains(&other.text));
    assert_eq!(file.revoke(&first.id).unwrap(), 1);
    assert_eq!(file.revoke("till").unwrap(), 1);
    assert!(file.revoke("till").is_err());
    assert_eq!(file.list(NOW).unwrap(), []);
}

#[test]
fn a_rotation_has_two_live_keys_and_no_third() {
    let (_home, file) = file();
    let old = add(&file, "shop", 1).unwrap();
    add(&file, "shop", 2).unwrap();
    let third = add(&file, "shop", 3).err().unwrap().to_string();
    assert!(third.contains("revoke one first"), "{third}");
    file.revoke(&old.id).unwrap();
    add(&file, "shop", 3).unwrap();
    // Ended keys do not count, and leave the list in time.
    let later = NOW + DAY;
    assert!(file.list(later).unwrap().iter().all(|key| !key.live));
    let scope = [WRITE.to_owned()];
    file.add("shop", &scope, DAY, later, &SeededRandom::new(4))
        .unwrap();
    assert_eq!(file.list(later).unwrap().len(), 3);
    let much_later = later + LISTED;
    file.add("shop", &scope, DAY, much_later, &SeededRandom::new(5))
        .unwrap();
    assert_eq!(file.list(much_later).unwrap().len(), 2);
}

#[test]
fn what_no_key_can_have_is_refused_with_a_sentence() {
    let (_home, file) = file();
    let random = SeededRandom::new(1);
    let read = [READ.to_owned()];
    for name in ["", "Shop", "a b", &"a".repeat(65)] {
        assert!(file.add(name, &read, DAY, NOW, &random).is_err(), "{name}");
    }
    let unknown = ["https://api-2/read".to_owned()];
    assert!(file.add("shop", &unknown, DAY, NOW, &random).is_err());
    assert!(file.add("shop", &[], DAY, NOW, &random).is_err());
    assert!(
        file.add("shop", &read, LONGEST + DAY, NOW, &random)
            .is_err()
    );
    assert!(!file.path().exists());
}

#[test]
fn a_file_of_another_kind_is_not_overwritten() {
    let (_home, file) = file();
    for text in [
        "",
        "[]",
        "{\"version\": 2, \"keys\": []}",
        "{\"version\": 1, \"keys\": [{}]}",
    ] {
        fs::write(file.path(), text).unwrap();
        assert!(add(&file, "shop", 1).is_err(), "{text}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
    }
}

#[test]
fn an_error_names_the_place_and_cuts_what_it_repeats() {
    let (_home, file) = file();
    let text = format!("{{\"version\": 1,\n\"{}\": []}}", "vér".repeat(20_000));
    let error = file.parse(&text).err().unwrap().to_string();
    assert!(error.contains("unknown field `vérvér"), "{error}");
    assert!(error.contains("… at line 2 column "), "{error}");
    assert!(error.chars().count() < 400, "{error}");
}

#[test]
fn two_writers_do_not_lose_a_key() {
    let (_home, file) = file();
    let lock = FileLock::of(&file).unwrap();
    let refused = add(&file, "shop", 1).err().unwrap().to_string();
    assert!(refused.contains("another command changes it"), "{refused}");
    drop(lock);
    add(&file, "shop", 1).unwrap();
}

#[test]
fn fuzz_the_file_of_api_keys() {
    let (_home, file) = file();
    add(&file, "shop", 1).unwrap();
    add(&file, "till", 2).unwrap();
    let seed = fs::read_to_string(file.path()).unwrap();
    let empty = r#"{"version": 1, "keys": []}"#;
    fuzz::run_text(&[&seed, empty], |text| match file.parse(text) {
        Ok(keys) => {
            assert!(keys.len() <= MAX_KEYS);
            let mut ids: Vec<_> = keys.iter().map(|key| &key.id).collect();
            ids.sort_unstable();
            assert!(
                ids.windows(2).all(|two| two[0] != two[1]),
                "two with one id"
            );
            assert!(keys.iter().all(|key| is_id(&key.id) && is_name(&key.name)));
        }
        Err(error) => assert!(error.to_string().len() < 10_000, "{error}"),
    });
}
