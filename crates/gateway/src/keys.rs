//! The file of keys: who may ask, and how much.
//!
//! A key is 256 random bits behind the prefix `mw-`. It is shown once, when it is made; the file holds its
//! SHA-256, which is enough to recognise it and no help in guessing one. The file is JSON, readable by its
//! owner alone, replaced as a whole so that a reader never sees half of one, and changed under a lock so
//! that two commands at once lose nothing. A revoked key stays in it: whoever still uses it has a name.

use std::{
    fmt::{self, Write as _},
    fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use model::UnixMs;
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};

/// What every key begins with, so that a person and a scanner of secrets recognise one.
pub const KEY_PREFIX: &str = "mw-";
/// Largest file of keys that is read; a larger one is an error.
pub const KEY_FILE_BYTES_MAX: u64 = 16 << 20;
/// Longest name of a key in bytes; a longer one is refused.
pub const KEY_NAME_BYTES_MAX: usize = 128;
const VERSION: u32 = 1;

/// A credential. It shows in no output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For the header that carries it or the person whom it is shown to once, and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a caller may do. Absent means without a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// Names of models; one that ends with `*` stands for all that begin so. Empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Prompt and answer together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Requests in execution at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_max: Option<u32>,
    /// Days and months are those of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
}

impl Grant {
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.is_empty()
            || self.models.iter().any(|allowed| match allowed.strip_suffix('*') {
                Some(start) => model.starts_with(start),
                None => crate::route::is_same_model(allowed, model),
            })
    }
}

/// One key, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Short and public; records and labels carry it.
    pub id: String,
    pub name: String,
    /// SHA-256 of the whole key, as 64 hexadecimal digits.
    pub sha256: String,
    /// Unix milliseconds, as all times here.
    pub created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<i64>,
    #[serde(default)]
    pub grant: Grant,
}

/// What can go wrong with a file of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is no file of keys: {reason}; restore it or remove it and make new keys")]
    Format { path: PathBuf, reason: String },
    #[error("there is a key named \"{0}\" already: choose another name or revoke that one first")]
    NameTaken(String),
    #[error("a name of a key has 1 to {KEY_NAME_BYTES_MAX} bytes and no control characters")]
    BadName,
    #[error("no key has the id or name \"{0}\": `modelwatch key list` shows them all")]
    NotFound(String),
    #[error("the system gives no random numbers")]
    NoRandom,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    keys: Vec<Key>,
}

/// Where the keys are kept.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

/// Tells one state of the file from another without reading it.
pub(crate) type Fingerprint = Option<(u64, u64, i64, i64)>;

impl KeyFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All keys, also those that expired or were revoked. No file means no keys.
    pub fn load(&self) -> Result<Vec<Key>, KeysError> {
        let format = |reason: String| KeysError::Format { path: self.path.clone(), reason };
        let size = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(error)),
        };
        if size > KEY_FILE_BYTES_MAX {
            return Err(format(format!(
                "it has {size} bytes, at most {KEY_FILE_BYTES_MAX} are read"
            )));
        }
        let text = fs::read(&self.path).map_err(|error| self.io(error))?;
        let file: File =
            serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        if file.version != VERSION {
            return Err(format(format!("its version is {}, not {VERSION}", file.version)));
        }
        for key in &file.keys {
            if parse_hash(&key.sha256).is_none() {
                return Err(format(format!(
                    "sha256 of key {} is not 64 hexadecimal digits",
                    key.id
                )));
            }
        }
        Ok(file.keys)
    }

    /// Makes a key. The secret is in no file: show it now or never.
    pub fn create(
        &self,
        name: &str,
        grant: Grant,
        expires: Option<UnixMs>,
        now: UnixMs,
    ) -> Result<(Key, Secret), KeysError> {
        if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || name.contains(char::is_control) {
            return Err(KeysError::BadName);
        }
        self.change(|keys| {
            if keys.iter().any(|key| key.name == name && key.revoked.is_none()) {
                return Err(KeysError::NameTaken(name.to_owned()));
            }
            let secret = format!("{KEY_PREFIX}{}", hex(&random::<32>()?));
            let key = Key {
                id: hex(&random::<6>()?),
                name: name.to_owned(),
                sha256: hex(&hash(&secret)),
                created: now.0,
                expires: expires.map(|time| time.0),
                revoked: None,
                grant,
            };
            keys.push(key.clone());
            Ok((key, Secret::new(secret)))
        })
    }

    /// Revokes the key with this id, or else the one with this name.
    pub fn revoke(&self, id_or_name: &str, now: UnixMs) -> Result<Key, KeysError> {
        self.change(|keys| {
            let living = |key: &Key| key.revoked.is_none();
            let place = keys
                .iter()
                .position(|key| living(key) && key.id == id_or_name)
                .or_else(|| keys.iter().position(|key| living(key) && key.name == id_or_name));
            let key = place.and_then(|place| keys.get_mut(place));
            let key = key.ok_or_else(|| KeysError::NotFound(id_or_name.to_owned()))?;
            key.revoked = Some(now.0);
            Ok(key.clone())
        })
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Key>) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        let lock_path = self.path.with_extension("lock");
        let lock = private().create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(|source| KeysError::Io { path: lock_path, source })?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| self.io(error.into()))?;
        let mut keys = self.load()?;
        let result = change(&mut keys)?;
        self.save(keys).map_err(|error| self.io(error))?;
        Ok(result)
    }

    fn save(&self, keys: Vec<Key>) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&File { version: VERSION, keys })?;
        let fresh = self.path.with_extension("new");
        // What a crash left behind may have other rights than ours.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().create_new(true).open(&fresh)?;
        io::Write::write_all(&mut file, &text)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn io(&self, source: io::Error) -> KeysError {
        KeysError::Io { path: self.path.clone(), source }
    }
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn random<const N: usize>() -> Result<[u8; N], KeysError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeysError::NoRandom)?;
    Ok(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default(); // a string takes everything
        text
    })
}

pub(crate) fn hash(secret: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    bytes
}

pub(crate) fn parse_hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn file() -> (tempfile::TempDir, KeyFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("keys.json"));
        (folder, file)
    }

    #[test]
    fn a_key_is_made_found_and_revoked() {
        let (_folder, file) = file();
        assert_eq!(file.load().unwrap(), []);
        let grant = Grant { models: vec!["qwen*".into()], ..Grant::default() };
        let (key, secret) = file.create("team a", grant.clone(), Some(NOW), NOW).unwrap();
        assert!(secret.expose().starts_with("mw-") && secret.expose().len() == 67);
        assert_eq!(parse_hash(&key.sha256), Some(hash(secret.expose())));
        assert_eq!(file.load().unwrap(), std::slice::from_ref(&key));
        assert_eq!((key.grant, key.expires, key.revoked), (grant, Some(NOW.0), None));

        assert!(matches!(
            file.create("team a", Grant::default(), None, NOW),
            Err(KeysError::NameTaken(_))
        ));
        assert!(matches!(file.revoke("team b", NOW), Err(KeysError::NotFound(_))));
        assert_eq!(file.revoke(&key.id, NOW).unwrap().revoked, Some(NOW.0));
        assert!(matches!(file.revoke("team a", NOW), Err(KeysError::NotFound(_))));
        file.create("team a", Grant::default(), None, NOW).unwrap();
        assert_eq!(file.load().unwrap().len(), 2);
    }

    #[test]
    fn the_file_is_private_and_holds_no_secret() {
        let (folder, file) = file();
        let (_, secret) = file.create("a", Grant::default(), None, NOW).unwrap();
        let bare = secret.expose().strip_prefix(KEY_PREFIX).unwrap().to_owned();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600,
                "{path:?}"
            );
            assert!(!fs::read_to_string(&path).unwrap().contains(&bare), "{path:?}");
        }
        assert!(!format!("{secret:?}").contains(&bare));
    }

    #[test]
    fn two_writers_lose_nothing() {
        let (_folder, file) = file();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let file = &file;
                scope.spawn(move || {
                    for number in 0..5 {
                        let name = format!("{thread}-{number}");
                        file.create(&name, Grant::default(), None, NOW).unwrap();
                    }
                });
            }
        });
        assert_eq!(file.load().unwrap().len(), 20);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let (_folder, file) = file();
        for text in [
            "",
            "{}",
            "{\"version\":2,\"keys\":[]}",
            "{\"version\":1,\"keys\":[{\"id\":\"a\",\"name\":\"a\",\"sha256\":\"xy\",\"created\":0}]}",
        ] {
            fs::write(file.path(), text).unwrap();
            assert!(matches!(file.load(), Err(KeysError::Format { .. })), "{text}");
            assert!(file.create("a", Grant::default(), None, NOW).is_err());
            assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        }
        for name in ["", "a\nb", &"x".repeat(129)] {
            assert!(matches!(
                file.create(name, Grant::default(), None, NOW),
                Err(KeysError::BadName)
            ));
        }
    }

    #[test]
    fn models_are_allowed_by_name_and_by_beginning() {
        let check = |models: &[&str], model: &str, expected: bool| {
            let models = models.iter().map(|model| (*model).to_owned()).collect();
            let grant = Grant { models, ..Grant::default() };
            assert_eq!(grant.allows_model(model), expected, "{model}");
        };
        check(&[], "anything", true);
        check(&["a"], "a", true);
        check(&["a"], "ab", false);
        check(&["a*"], "ab", true);
        check(&["a*"], "ba", false);
        check(&["qwen3"], "qwen3:latest", true);
    }
}
