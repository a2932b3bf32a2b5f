//! Lines that the client reads from its disk, whatever wrote them: the journal's, and the audit log's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexscope_tui::{
    core::{Outgoing, Program, Record, Settings},
    store,
};

fuzz_target!(|bytes: &[u8]| {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(line) = serde_json::from_slice::<store::Line>(line) {
            let _ = (line.entry.item(), line.entry.ids());
            serde_json::to_vec(&line).expect("it serialises");
        }
    }
    let lines = bytes.split(|byte| *byte == b'\n');
    let records: Vec<Record> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    for record in &records {
        let line = serde_json::to_vec(record).expect("it serialises");
        let again: Record = serde_json::from_slice(&line).expect("what is written can be read");
        assert_eq!(serde_json::to_vec(&again).expect("it serialises"), line);
    }
    let mut number = 0;
    let ids = Box::new(move || {
        number += 1;
        format!("id{number}")
    });
    // Every second one of what may leave is not in the audit log.
    let not_audited = |open: &[&Outgoing]| open.iter().step_by(2).map(|one| one.id.clone()).collect();
    let mut program = Program::new(ids);
    let room = program.open(Settings::new("alice", "lobby"));
    program.restore(room, records, not_audited, 1_790_000_000_000);
});
