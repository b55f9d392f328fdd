//! Where things are: the repository's root and the build directory. Every task starts from here.

use std::env;
use std::path::PathBuf;

/// The repository's root folder.
pub fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}

/// Cargo's build directory, as an absolute path: installed tools and test environments live below it, so that
/// removing it removes all that these tasks left on the machine (Debian packages aside).
pub fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cargo that started us.
pub fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Where cargo subcommands that we install ourselves are kept.
pub fn tools_dir() -> PathBuf {
    target_dir().join("tools")
}
