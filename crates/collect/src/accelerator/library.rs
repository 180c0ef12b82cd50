//! Vendors' libraries, opened while running: the only place that calls foreign code.
//!
//! A library is described by a table of functions and no header: a name, and the suffixes of the
//! versions that we know, best first. What a library lacks is absent. Arguments are numbers, handles
//! that the library gave us, and buffers of ours that are larger than any structure we know, because a
//! newer library may write a longer one. What it cannot do: call a function that takes or returns
//! floating-point numbers or structures by value.
#![expect(unsafe_code, reason = "foreign functions; this is the one place that calls them")]

use std::{
    collections::HashMap,
    ffi::{c_int, c_void},
    fmt,
    path::{Path, PathBuf},
};

use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};

use crate::{Failure, FailureKind};

/// Bytes that a buffer has beyond what was asked for.
const SLACK: usize = 512;

/// A function that a library may have.
pub(super) struct Function {
    /// Without the library's prefix.
    pub(super) name: &'static str,
    /// Suffixes of its versions, best first; the empty one is the original.
    pub(super) suffixes: &'static [&'static str],
}

/// What a foreign function gets.
pub(super) enum Arg<'a> {
    Number(u64),
    Handle(Pointer),
    /// Written by the function, and read where it holds the version of its structure.
    Buffer(&'a mut Buffer),
}

/// A handle of a library. It has no meaning but to that library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer(usize);

/// One found version of a function.
struct Symbol {
    suffix: &'static str,
    address: *const c_void,
}

// SAFETY: an address of code that stays loaded as long as the `Library` that holds both; it is only
// called, and vendors document their libraries as safe to call from any thread.
unsafe impl Send for Symbol {}
// SAFETY: as above.
unsafe impl Sync for Symbol {}

/// An opened library with the functions of its table.
pub(super) struct Library {
    path: PathBuf,
    symbols: HashMap<&'static str, Vec<Symbol>>,
    /// Declared last, so that nothing outlives the code.
    _handle: Handle,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.path).finish()
    }
}

impl Library {
    /// Opens the first library of `paths` that can be opened, and looks for `prefix` + name + suffix of
    /// each function. A name without a slash is looked for where the system looks for libraries.
    pub(super) fn open(
        paths: &[PathBuf],
        prefix: &str,
        functions: &[Function],
    ) -> Result<Self, Failure> {
        if cfg!(not(target_pointer_width = "64")) {
            let detail = "vendors' libraries are read on 64-bit systems only";
            return Err(Failure::new(FailureKind::Absent, detail));
        }
        let mut problems = Vec::new();
        for path in paths {
            match load(path) {
                Ok(handle) => return Ok(Self::with(path, handle, prefix, functions)),
                Err(problem) => problems.push(problem),
            }
        }
        // Most machines have none of most libraries, which can be said in fewer words.
        let is_missing = |(path, problem): (&PathBuf, &String)| {
            problem.starts_with(&format!("{0}: {0}: cannot open shared object", path.display()))
        };
        if paths.iter().zip(&problems).all(is_missing) && !paths.iter().any(|path| path.exists()) {
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::new(
                FailureKind::Absent,
                format!("not found: {}", names.join(", ")),
            ));
        }
        let is_there = paths.iter().any(|path| path.is_absolute() && path.exists());
        let kind = if is_there { FailureKind::Io } else { FailureKind::Absent };
        Err(Failure::new(kind, problems.join("; ")))
    }

    fn with(path: &Path, handle: Handle, prefix: &str, functions: &[Function]) -> Self {
        let find = |name: &str| {
            // SAFETY: the symbol is used as a bare address, which any symbol is.
            let symbol = unsafe { handle.get::<*const c_void>(name) }.ok()?;
            Some(symbol.into_raw().cast_const()).filter(|address| !address.is_null())
        };
        let versions = |function: &Function| {
            let found = function.suffixes.iter().filter_map(|suffix| {
                let address = find(&format!("{prefix}{}{suffix}", function.name))?;
                Some(Symbol { suffix, address })
            });
            (function.name, found.collect())
        };
        let symbols = functions.iter().map(versions).collect();
        Self { path: path.into(), symbols, _handle: handle }
    }

    /// Where it was found.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The suffixes of the versions of a function that the library has, best first.
    pub(super) fn versions(&self, name: &str) -> impl Iterator<Item = &'static str> {
        let symbols = self.symbols.get(name).map(Vec::as_slice).unwrap_or_default();
        symbols.iter().map(|symbol| symbol.suffix)
    }

    /// Calls a version of a function and returns what it returned; `None` when the library lacks it.
    /// The table, the arguments and the sizes of the buffers must be as the vendor's header says.
    pub(super) fn call(&self, name: &str, suffix: &str, args: &mut [Arg<'_>]) -> Option<i32> {
        let symbols = self.symbols.get(name)?;
        let symbol = symbols.iter().find(|symbol| symbol.suffix == suffix)?;
        let mut words = [0_usize; 6];
        if args.len() > words.len() {
            return None;
        }
        for (word, arg) in words.iter_mut().zip(args.iter_mut()) {
            *word = match arg {
                Arg::Number(number) => usize::try_from(*number).ok()?,
                Arg::Handle(pointer) => pointer.0,
                Arg::Buffer(buffer) => buffer.words.as_mut_ptr().expose_provenance(),
            };
        }
        // SAFETY: the function has at most six parameters, all integers or pointers. On the 64-bit
        // systems that we run on each of them travels in a register of its own, whatever its width, and
        // a callee ignores registers that it has no parameter for. Buffers are larger than what any
        // known version writes, aligned to eight bytes and alive until after the call.
        let code = unsafe { invoke(symbol.address, words) };
        Some(code)
    }
}

fn load(path: &Path) -> Result<Handle, String> {
    // SAFETY: opening a library runs its initialisers. It is the vendor's own, from a fixed list of
    // places or from the configuration, and is as trusted as the driver it belongs to.
    let handle = unsafe { Handle::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    handle.map_err(|error| {
        let text = std::error::Error::source(&error).map_or(error.to_string(), |e| e.to_string());
        format!("{}: {text}", path.display())
    })
}

/// # Safety
/// `address` is a function of at most six integers or pointers that returns an integer.
unsafe fn invoke(address: *const c_void, words: [usize; 6]) -> i32 {
    type Foreign = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> c_int;
    // SAFETY: a function pointer is an address on the systems that we run on.
    let function: Foreign = unsafe { std::mem::transmute(address) };
    let [a, b, c, d, e, f] = words;
    // SAFETY: as the caller promises.
    unsafe { function(a, b, c, d, e, f) }
}

/// Memory that a foreign function writes to, aligned to eight bytes and zeroed; the numbers in it are
/// read by their offset and in the machine's byte order.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffer {
    words: Vec<u64>,
    bytes: usize,
}

impl Buffer {
    pub(super) fn new(bytes: usize) -> Self {
        Self { words: vec![0; (bytes + SLACK).div_ceil(8)], bytes }
    }

    /// How many bytes were asked for.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.words.get(offset / 8)?.to_ne_bytes().get(offset % 8).copied()
    }

    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = self.byte(offset.checked_add(index)?)?;
        }
        Some(bytes)
    }

    fn set_bytes(&mut self, offset: usize, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            let at = offset + index;
            if let Some(word) = self.words.get_mut(at / 8) {
                let mut parts = word.to_ne_bytes();
                parts[at % 8] = *byte;
                *word = u64::from_ne_bytes(parts);
            }
        }
    }

    pub(super) fn u32(&self, offset: usize) -> Option<u32> {
        self.bytes(offset).map(u32::from_ne_bytes)
    }

    pub(super) fn i32(&self, offset: usize) -> Option<i32> {
        self.bytes(offset).map(i32::from_ne_bytes)
    }

    pub(super) fn u64(&self, offset: usize) -> Option<u64> {
        self.bytes(offset).map(u64::from_ne_bytes)
    }

    pub(super) fn f64(&self, offset: usize) -> Option<f64> {
        self.bytes(offset).map(f64::from_ne_bytes)
    }

    /// A handle; `None` where the library left it null.
    pub(super) fn pointer(&self, offset: usize) -> Option<Pointer> {
        let address = usize::try_from(self.u64(offset)?).ok()?;
        (address != 0).then_some(Pointer(address))
    }

    pub(super) fn set_u32(&mut self, offset: usize, value: u32) {
        self.set_bytes(offset, &value.to_ne_bytes());
    }

    pub(super) fn set_pointer(&mut self, offset: usize, Pointer(address): Pointer) {
        self.set_bytes(offset, &address.to_ne_bytes());
    }

    /// Text up to a zero byte, at most `max` bytes; `None` where there is none.
    pub(super) fn text(&self, offset: usize, max: usize) -> Option<String> {
        let bytes = (offset..offset + max).map_while(|at| self.byte(at));
        let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTIONS: &[Function] = &[
        Function { name: "abs", suffixes: &["_v9", ""] },
        Function { name: "snprintf", suffixes: &[""] },
        Function { name: "no_such_function", suffixes: &["_v2", ""] },
    ];

    #[test]
    fn the_c_library() {
        let paths = ["no_such_library.so".into(), "libc.so.6".into()];
        let library = Library::open(&paths, "", FUNCTIONS).unwrap();
        assert_eq!(library.path(), Path::new("libc.so.6"));
        assert_eq!(library.versions("abs").collect::<Vec<_>>(), [""]);
        assert_eq!(library.versions("no_such_function").count(), 0);
        let minus_seven = u64::from((-7_i32).cast_unsigned());
        assert_eq!(library.call("abs", "", &mut [Arg::Number(minus_seven)]), Some(7));
        assert_eq!(library.call("abs", "_v9", &mut [Arg::Number(1)]), None);
        let mut text = Buffer::new(8);
        let mut format = Buffer::new(8);
        format.set_bytes(0, b"%d%d\0");
        let mut args = [
            Arg::Buffer(&mut text),
            Arg::Number(8),
            Arg::Buffer(&mut format),
            Arg::Number(12),
            Arg::Number(345),
        ];
        assert_eq!(library.call("snprintf", "", &mut args), Some(5));
        assert_eq!(text.text(0, 8).as_deref(), Some("12345"));
    }

    #[test]
    fn no_library_is_absence_and_a_broken_one_is_not() {
        let failure = Library::open(&["no_such_library.so".into()], "", FUNCTIONS).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Absent);
        assert_eq!(failure.detail, "not found: no_such_library.so");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a library").unwrap();
        let failure = Library::open(&[file.path().into()], "", FUNCTIONS).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Io);
        assert!(failure.detail.contains(file.path().to_str().unwrap()), "{failure}");
    }

    #[test]
    fn buffers() {
        let mut buffer = Buffer::new(16);
        buffer.set_u32(4, 0xdead_beef);
        buffer.set_u32(9, 7);
        assert_eq!(buffer.u32(4), Some(0xdead_beef));
        assert_eq!(buffer.u32(9), Some(7));
        assert_eq!(buffer.u64(usize::MAX), None);
        assert_eq!(buffer.pointer(16), None);
        buffer.clear();
        assert_eq!((buffer.u64(0), buffer.text(0, 8), buffer.len()), (Some(0), None, 16));
    }
}
