//! Objects of bpf(2) that are pinned in a file system.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;

use crate::octets;

/// Opens a pinned object for reading (`BPF_OBJ_GET`). The descriptor stays open until the process ends, since the rule that names it is
/// handed to the kernel later.
pub fn open(path: &str) -> io::Result<i32> {
    let path = CString::new(octets::bytes(path).as_ref())?;
    let attributes = Attributes { path: path.as_ptr().addr() as u64, descriptor: 0, flags: READ_ONLY };
    path.as_ptr().expose_provenance();
    // SAFETY: the kernel reads as many bytes as are given, and the string that the first field points at, which lives
    // until the call returns.
    let descriptor = unsafe { libc::syscall(libc::SYS_bpf, OBJ_GET, &raw const attributes, size_of::<Attributes>()) };
    i32::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0).ok_or_else(io::Error::last_os_error)
}

/// BPF_OBJ_GET.
const OBJ_GET: libc::c_long = 7;
/// BPF_F_RDONLY.
const READ_ONLY: u32 = 1 << 3;

/// What union bpf_attr holds for BPF_OBJ_*.
#[repr(C)]
struct Attributes {
    path: u64,
    descriptor: u32,
    flags: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(open("/proc/self/exe").is_err());
        assert!(open("").is_err());
        assert!(open("a\0b").is_err());
    }
}
