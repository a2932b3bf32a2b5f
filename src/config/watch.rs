//! Notices saved configuration files.

use std::path::Path;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Watches the configuration folder until it is dropped.
pub(crate) struct Watch {
    /// A file was saved. Holds one message: when it is full, a change is known already.
    pub(crate) changes: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

/// Watches `folder` and everything below it, since many editors save by replacing a file. Fails where the folder is
/// missing, or the system cannot watch it.
pub(crate) fn watch(folder: &Path) -> notify::Result<Watch> {
    let (changed, changes) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is an event, too.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            let _ = changed.try_send(());
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(Watch {
        changes,
        _watcher: watcher,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[tokio::test]
    async fn saving_in_place_and_by_rename_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("themes")).unwrap();
        let mut watch = watch(dir.path()).unwrap();
        let theme = dir.path().join("themes/own.toml");
        let saved: [&dyn Fn(); 3] = [
            &|| fs::write(&theme, "a").unwrap(),
            &|| {
                fs::write(dir.path().join("new"), "b").unwrap();
                fs::rename(dir.path().join("new"), &theme).unwrap();
            },
            &|| fs::write(dir.path().join("config.toml"), "c").unwrap(),
        ];
        for save in saved {
            while watch.changes.try_recv().is_ok() {}
            save();
            tokio::time::timeout(Duration::from_secs(10), watch.changes.recv())
                .await
                .unwrap()
                .unwrap();
        }
        assert!(super::watch(&dir.path().join("missing")).is_err());
    }
}
