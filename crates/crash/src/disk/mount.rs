//! [`Disk`] as a file system of the kernel (FUSE). Nothing is cached in the kernel, so that a crash leaves nothing behind.

use super::forgetful::{Content, Disk, Errno, Kind, Names, ROOT};
use crate::chance::Chance;
use anyhow::{Context as _, Result};
use fuser::consts::FOPEN_DIRECT_IO;
use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The kernel asks anew each time.
const NEVER: Duration = Duration::ZERO;
const BLOCK: u32 = 4096;
/// Blocks that `statfs` shows: more than any run needs.
const BLOCKS: u64 = 4 << 20;

/// A mounted disk; it is unmounted when this is dropped.
pub(crate) struct Forgetful {
    disk: Arc<Mutex<Disk>>,
    _session: BackgroundSession,
}

impl Forgetful {
    /// Mounts an empty one at `at`, which is made.
    pub(crate) fn mount(at: &Path) -> Result<Self> {
        fs::create_dir_all(at)?;
        let owner = fs::metadata(at)?;
        let disk = Arc::new(Mutex::new(Disk::new()));
        let kernel = Kernel { disk: disk.clone(), uid: owner.uid(), gid: owner.gid() };
        let options = [MountOption::FSName("forgetful".into()), MountOption::NoAtime];
        let session = fuser::spawn_mount2(kernel, at, &options)
            .with_context(|| format!("cannot mount a file system at {} by /dev/fuse", at.display()))?;
        Ok(Forgetful { disk, _session: session })
    }

    /// The machine dies; how many bytes were lost.
    pub(crate) fn crash(&self, chance: &mut Chance) -> u64 {
        let mut disk = lock(&self.disk);
        disk.fail_sync_after(None);
        disk.crash(chance)
    }

    /// So many syncs succeed, and then one fails.
    pub(crate) fn fail_sync_after(&self, syncs: u64) {
        lock(&self.disk).fail_sync_after(Some(syncs));
    }
}

struct Kernel {
    disk: Arc<Mutex<Disk>>,
    uid: u32,
    gid: u32,
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kernel {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }

    fn attributes(&self, disk: &Disk, number: u64) -> Result<FileAttr, Errno> {
        let node = disk.node(number)?;
        let is_folder = matches!(node.kind, Kind::Folder(_));
        let size = disk.len(number);
        let time = SystemTime::UNIX_EPOCH;
        Ok(FileAttr {
            ino: number,
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: if is_folder { FileType::Directory } else { FileType::RegularFile },
            perm: node.mode,
            nlink: if is_folder { 2 } else { 1 },
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: BLOCK,
            flags: 0,
        })
    }

    fn entry(&self, found: Result<u64, Errno>, reply: ReplyEntry) {
        let disk = self.disk();
        match found.and_then(|number| self.attributes(&disk, number)) {
            Ok(attributes) => reply.entry(&NEVER, &attributes, 0),
            Err(error) => reply.error(error),
        }
    }

    fn attr(&self, changed: Result<(), Errno>, number: u64, reply: ReplyAttr) {
        let disk = self.disk();
        match changed.and_then(|()| self.attributes(&disk, number)) {
            Ok(attributes) => reply.attr(&NEVER, &attributes),
            Err(error) => reply.error(error),
        }
    }
}

fn empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Kernel {
    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let found = self.disk().find(parent, name);
        self.entry(found, reply);
    }

    fn getattr(&mut self, _: &Request<'_>, number: u64, _: Option<u64>, reply: ReplyAttr) {
        self.attr(Ok(()), number, reply);
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        number: u64,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<u64>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<u32>,
        reply: ReplyAttr,
    ) {
        let changed = (|| {
            let mut disk = self.disk();
            if let Some(mode) = mode {
                disk.set_mode(number, (mode & 0o7777) as u16)?;
            }
            size.map_or(Ok(()), |size| disk.set_len(number, size))
        })();
        self.attr(changed, number, reply);
    }

    fn mkdir(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let mode = (mode & !umask & 0o7777) as u16;
        let made = self.disk().make(parent, name, Kind::Folder(Names::default()), mode);
        self.entry(made, reply);
    }

    fn create(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let mut disk = self.disk();
        let mode = (mode & !umask & 0o7777) as u16;
        let made = disk.make(parent, name, Kind::File(Content::default()), mode);
        match made.and_then(|number| self.attributes(&disk, number)) {
            Ok(attributes) => reply.created(&NEVER, &attributes, 0, 0, FOPEN_DIRECT_IO),
            Err(error) => reply.error(error),
        }
    }

    fn open(&mut self, _: &Request<'_>, _number: u64, _flags: i32, reply: ReplyOpen) {
        reply.opened(0, FOPEN_DIRECT_IO);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _fh: u64,
        offset: i64,
        size: u32,
        _flags: i32,
        _owner: Option<u64>,
        reply: ReplyData,
    ) {
        match self.disk().read(number, offset.unsigned_abs(), size as usize) {
            Ok(bytes) => reply.data(bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _fh: u64,
        offset: i64,
        bytes: &[u8],
        _write_flags: u32,
        _flags: i32,
        _owner: Option<u64>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(number, offset.unsigned_abs(), bytes) {
            Ok(()) => reply.written(bytes.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&mut self, _: &Request<'_>, _number: u64, _fh: u64, _owner: u64, reply: ReplyEmpty) {
        // close() keeps nothing.
        reply.ok();
    }

    fn fsync(&mut self, _: &Request<'_>, number: u64, _fh: u64, _datasync: bool, reply: ReplyEmpty) {
        empty(self.disk().sync(number), reply);
    }

    fn fsyncdir(&mut self, _: &Request<'_>, number: u64, _fh: u64, _datasync: bool, reply: ReplyEmpty) {
        empty(self.disk().sync(number), reply);
    }

    fn unlink(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        empty(self.disk().remove(parent, name), reply);
    }

    fn rmdir(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        empty(self.disk().remove(parent, name), reply);
    }

    fn rename(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        new_parent: u64,
        new_name: &OsStr,
        _flags: u32,
        reply: ReplyEmpty,
    ) {
        empty(self.disk().rename((parent, name), (new_parent, new_name)), reply);
    }

    fn link(&mut self, _: &Request<'_>, number: u64, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let linked = self.disk().link(number, parent, name).map(|()| number);
        self.entry(linked, reply);
    }

    fn readdir(&mut self, _: &Request<'_>, number: u64, _fh: u64, offset: i64, mut reply: ReplyDirectory) {
        let listed = self.disk().list(number);
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => return reply.error(error),
        };
        let dots = [(".".into(), number), ("..".into(), ROOT)];
        for (at, (name, number)) in
            dots.into_iter().chain(entries).enumerate().skip(offset.unsigned_abs() as usize)
        {
            let is_folder = self.disk().list(number).is_ok();
            let kind = if is_folder { FileType::Directory } else { FileType::RegularFile };
            if reply.add(number, at as i64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&mut self, _: &Request<'_>, _number: u64, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS, BLOCKS, 1 << 20, 1 << 20, BLOCK, 255, BLOCK);
    }
}
