use std::fs;

use nexscope_relay::protocol::{Message, Mode};

use super::*;
use crate::core::persist::audit::By;

fn entry() -> Entry {
    Entry::Mode {
        mode: Mode::Manual,
        by: By::Person,
    }
}

/// A log of `lines` lines, and its path.
fn log(lines: u64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let (mut audit, repairs) = Audit::open(&path, true).unwrap();
    assert!(repairs.is_empty());
    let entries: Vec<_> = (0..lines).map(|at| (at, entry())).collect();
    audit.append(&entries).unwrap();
    audit.write_head().unwrap();
    (dir, path)
}

fn problems(path: &Path) -> Vec<String> {
    verify(path).unwrap().problems
}

#[test]
fn each_way_to_change_it_is_found() {
    let swap = |lines: &mut Vec<String>, one: usize, other: usize| lines.swap(one, other);
    type ConfigDiff = Box<dyn Fn(&mut Vec<String>)>;
    let table: Vec<(&str, ConfigDiff)> = vec![
        ("nothing", Box::new(|_| {})),
        (
            "a changed byte",
            Box::new(|lines| lines[4] = lines[4].replace("manual", "manuel")),
        ),
        (
            "a changed byte in the first line",
            Box::new(|lines| lines[0] = lines[0].replace("\"at\":0", "\"at\":7")),
        ),
        (
            "a changed byte in the last line",
            Box::new(|lines| lines[9] = lines[9].replace("manual", "manuel")),
        ),
        ("a removed line", Box::new(|lines| _ = lines.remove(3))),
        ("a removed first line", Box::new(|lines| _ = lines.remove(0))),
        ("two swapped lines", Box::new(move |lines| swap(lines, 2, 7))),
        ("two swapped neighbours", Box::new(move |lines| swap(lines, 8, 9))),
        ("a cut end", Box::new(|lines| lines.truncate(6))),
        ("all cut", Box::new(Vec::clear)),
        (
            "a doubled line",
            Box::new(|lines| lines.insert(5, lines[5].clone())),
        ),
        (
            "an inserted line",
            Box::new(|lines| lines.insert(5, lines[1].clone())),
        ),
        (
            "an inserted line at the end",
            Box::new(|lines| lines.push(lines[9].clone())),
        ),
        (
            "an inserted line that is none",
            Box::new(|lines| lines.insert(2, "{}".into())),
        ),
        (
            "a last line put in the place of the last",
            Box::new(|lines| {
                let last = lines.pop().unwrap();
                lines.push(last.replace("manual", "auto"));
            }),
        ),
    ];
    for (what, change) in table {
        let (_dir, path) = log(10);
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        let changed: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, changed).unwrap();
        assert_eq!(
            problems(&path).is_empty(),
            what == "nothing",
            "{what}: {:?}",
            problems(&path)
        );
    }
}

#[test]
fn every_byte_counts() {
    let (_dir, path) = log(3);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        assert!(!problems(&path).is_empty(), "byte {at}");
        fs::write(&path, &bytes[..at]).unwrap();
        assert!(!problems(&path).is_empty(), "cut at {at}");
    }
}

#[test]
fn the_chain_continues_after_a_crash_and_the_head_may_lag() {
    let (_dir, path) = log(3);
    // More was written, and the last line torn, before the head could be.
    let (mut audit, _) = Audit::open(&path, true).unwrap();
    audit.append(&[(9, entry())]).unwrap();
    drop(audit);
    assert!(problems(&path).is_empty());
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"seq\":5,\"at\"").unwrap();
    assert_eq!(problems(&path), ["line 5 is torn"]);
    let (mut audit, repairs) = Audit::open(&path, true).unwrap();
    assert_eq!(repairs, ["a torn last line was cut off (13 bytes)"]);
    audit.append(&[(10, entry())]).unwrap();
    audit.write_head().unwrap();
    assert_eq!(
        verify(&path).unwrap(),
        Verified {
            lines: 5,
            problems: vec![]
        }
    );
}

#[test]
fn an_end_that_was_cut_off_stays_visible_after_a_restart() {
    for torn in [0, 10] {
        let (_dir, path) = log(6);
        let text = fs::read_to_string(&path).unwrap();
        let four: usize = text.lines().take(4).map(|line| line.len() + 1).sum();
        fs::write(&path, &text[..four - torn]).unwrap();
        let (mut audit, repairs) = Audit::open(&path, true).unwrap();
        assert!(repairs[0].starts_with("the end was missing"), "{repairs:?}");
        audit.append(&[(10, entry()), (11, entry())]).unwrap();
        audit.write_head().unwrap();
        assert!(!problems(&path).is_empty());
        // A second time, nothing new is found.
        assert!(Audit::open(&path, true).unwrap().1.is_empty());
    }
}

#[test]
fn without_its_head_the_end_is_not_known() {
    let (_dir, path) = log(2);
    fs::remove_file(head_path(&path)).unwrap();
    assert!(problems(&path)[0].contains("audit.head is missing"));
    assert!(Audit::open(&path, true).unwrap().1[0].contains("audit.head was missing"));
}

#[test]
fn what_others_wrote_over_several_lines_is_one_line() {
    let (_dir, path) = log(0);
    let (mut audit, _) = Audit::open(&path, true).unwrap();
    let body = "{\n  \"kind\": \"chat\",\r\n  \"text\": \"a\\nb\"\n}";
    let message = Message {
        id: "m-1".into(),
        from: "bob".into(),
        from_key: None,
        to: vec![],
        only: false,
        thread: None,
        seq: 1,
        at: 1,
        body: serde_json::value::RawValue::from_string(body.into()).unwrap(),
    };
    let number = Some(1);
    audit
        .append(&[(1, Entry::In { number, message }), (2, entry())])
        .unwrap();
    audit.write_head().unwrap();
    assert_eq!(
        verify(&path).unwrap(),
        Verified {
            lines: 2,
            problems: vec![]
        }
    );
    let read: Vec<Line> = lines(&path).unwrap().collect();
    assert_eq!((read.len(), read[0].entry.item().as_deref()), (2, Some("m1")));
}

#[test]
fn it_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, path) = log(1);
    for file in [path.clone(), head_path(&path)] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// For timing, run `cargo bench -p nexscope-tui --bench audit`.
#[test]
fn a_hundred_thousand_lines_are_verified() {
    let (_dir, path) = log(0);
    let (mut audit, _) = Audit::open(&path, true).unwrap();
    let entries: Vec<_> = (0..100_000_u64)
        .map(|at| {
            let text = "x".repeat(300);
            (
                at,
                Entry::Tool {
                    run: format!("run-{at}"),
                    tool: "Bash".into(),
                    what: text,
                },
            )
        })
        .collect();
    audit.append(&entries).unwrap();
    audit.write_head().unwrap();
    let verified = verify(&path).unwrap();
    assert_eq!(
        verified,
        Verified {
            lines: 100_000,
            problems: vec![]
        }
    );
}

/// Issue 14, 23: the lines and the head were removed, and after one start everything looked fine.
#[test]
fn what_was_noticed_once_is_reported_from_then_on() {
    type ConfigDiff = fn(&Path);
    fn cut(path: &Path, lines: usize) {
        let text = fs::read_to_string(path).unwrap();
        let left: String = text.lines().take(lines).map(|line| format!("{line}\n")).collect();
        fs::write(path, left).unwrap();
    }
    let table: [(&str, ConfigDiff); 5] = [
        ("the end and the head", |path| {
            cut(path, 3);
            fs::remove_file(head_path(path)).unwrap();
        }),
        ("the head alone", |path| fs::remove_file(head_path(path)).unwrap()),
        ("a head that is none", |path| {
            fs::write(head_path(path), "{").unwrap()
        }),
        ("all of it", |path| {
            fs::remove_file(path).unwrap();
            fs::remove_file(head_path(path)).unwrap();
        }),
        ("another end, with one line more that follows", |path| {
            // As long as before, so that the head still points at the end of a line.
            let text = fs::read_to_string(path).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[5] = lines[5].replace("\"at\":5", "\"at\":7");
            let next = lines[5].replace("\"seq\":6", "\"seq\":7");
            let before = lines[5].split("\"prev\":\"").nth(1).unwrap()[..64].to_owned();
            lines.push(next.replace(&before, &sha256(lines[5].as_bytes())));
            fs::write(path, lines.join("\n") + "\n").unwrap();
        }),
    ];
    for (what, change) in table {
        let (_dir, path) = log(6);
        change(&path);
        for _ in 0..3 {
            let (mut audit, _) = Audit::open(&path, false).unwrap();
            audit.append(&[(9, entry())]).unwrap();
            audit.write_head().unwrap();
            assert!(!problems(&path).is_empty(), "{what}");
        }
    }
}

#[test]
fn a_crash_before_the_first_head_is_no_gap() {
    let (dir, path) = log(0);
    let (mut audit, _) = Audit::open(&path, true).unwrap();
    audit.append(&[(1, entry())]).unwrap();
    drop(audit);
    assert!(Audit::open(&path, false).unwrap().1.is_empty());
    assert!(problems(&path).is_empty());
    drop(dir);
}
