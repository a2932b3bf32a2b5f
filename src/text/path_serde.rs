//! Serializes paths in JSON: as text if they are UTF-8, otherwise as bytes, so that none is lost. For
//! `#[serde(with = "path_serde")]`.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The serialized form of a path.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(PathBuf),
    Bytes { bytes: Vec<u8> },
}

pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    let written = match path.to_str() {
        Some(text) => Written::Text(text.into()),
        None => Written::Bytes {
            bytes: path.as_os_str().as_bytes().to_vec(),
        },
    };
    written.serialize(serializer)
}

/// Deserializes a path. Fails if it is neither text nor bytes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(path) => path,
        Written::Bytes { bytes } => OsString::from_vec(bytes).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct One(#[serde(with = "super")] PathBuf);

    #[test]
    fn every_path_comes_back_as_it_was() {
        for (bytes, written) in [
            (&b"/a/b c"[..], r#""/a/b c""#),
            ("/é".as_bytes(), r#""/é""#),
            (b"/a\xff", r#"{"bytes":[47,97,255]}"#),
        ] {
            let path = One(OsString::from_vec(bytes.to_vec()).into());
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(json, written);
            assert_eq!(serde_json::from_str::<One>(&json).unwrap(), path);
        }
    }
}
