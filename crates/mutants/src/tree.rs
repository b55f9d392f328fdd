//! The copy of the sources that mutants are woven into: the tree itself is never touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::list::{Mutant, Number};
use crate::sites::{self, Fate, Site};
use crate::weave::{self, MODULE, Region};

const SWITCH: &str = include_str!("switch.rs");

/// The copy, and where the mutants are in it.
pub struct Tree {
    root: PathBuf,
    files: BTreeMap<String, Source>,
}

/// A file that has mutants.
struct Source {
    text: String,
    sites: Vec<Site>,
    /// The number of its first site.
    first: u32,
    regions: Vec<Region>,
}

impl Tree {
    /// Copies what git knows, and new files that it does not ignore, from the working directory to `root`. What is there
    /// already with the same content keeps its time, so that it is not compiled again.
    pub fn copy(root: PathBuf) -> Result<Tree> {
        let output = Command::new("git").args(["ls-files", "-z", "-co", "--exclude-standard"]).output()?;
        if !output.status.success() {
            bail!("git cannot list the files");
        }
        let names = String::from_utf8(output.stdout).context("names of files are UTF-8")?;
        let names: Vec<&str> = names.split('\0').filter(|name| Path::new(name).is_file()).collect();
        for name in &names {
            update(&root.join(name), &fs::read(name)?)?;
        }
        remove_strays(&root, &root, &names)?;
        Ok(Tree { root, files: BTreeMap::new() })
    }

    /// The root of the copy.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Finds where the mutants stand; returns what becomes of those that stand nowhere.
    pub fn find(&mut self, mutants: &[Mutant]) -> Result<BTreeMap<Number, Fate>> {
        let mut fates = BTreeMap::new();
        let mut by_file: BTreeMap<&str, Vec<(Number, &Mutant)>> = BTreeMap::new();
        for (number, mutant) in (1..).zip(mutants) {
            by_file.entry(&mutant.file).or_default().push((number, mutant));
        }
        let mut first = 0;
        for (name, mutants) in by_file {
            let text = fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
            let found =
                sites::find(&text, mutants.into_iter()).with_context(|| format!("cannot parse {name}"))?;
            let count = u32::try_from(found.sites.len())?;
            fates.extend(found.fates);
            self.files
                .insert(name.to_string(), Source { text, sites: found.sites, first, regions: Vec::new() });
            first += count;
        }
        Ok(fates)
    }

    /// Writes the files with the mutants that are still in, and the module that chooses into the crate `folder`.
    pub fn write(&mut self, folder: &str) -> Result<()> {
        let head = format!("{folder}/src/lib.rs");
        let path = self.root.join(&head);
        let own = format!("\n#[doc(hidden)]\nmod {MODULE};\n");
        update(&self.root.join(format!("{folder}/src/{MODULE}.rs")), SWITCH.as_bytes())?;
        for (name, source) in &mut self.files {
            let woven = weave::weave(&source.text, &source.sites, source.first);
            source.regions = woven.regions;
            let end = if *name == head { own.as_str() } else { "" };
            update(&self.root.join(name), (woven.text + end).as_bytes())?;
        }
        if !self.files.contains_key(&head) {
            update(&path, (fs::read_to_string(&head)? + &own).as_bytes())?;
        }
        Ok(())
    }

    /// The mutants at a byte of a written file: one, if it is in the text of one; otherwise all of the smallest place
    /// around it.
    pub fn at(&self, file: &str, byte: usize) -> Vec<Number> {
        let regions = self.files.get(file).map(|source| source.regions.as_slice()).unwrap_or_default();
        let around = regions.iter().filter(|region| region.range.contains(&byte));
        around
            .min_by_key(|region| region.range.len())
            .map(|region| region.mutants.clone())
            .unwrap_or_default()
    }

    /// Takes a mutant out.
    pub fn remove(&mut self, number: Number) {
        for site in self.files.values_mut().flat_map(|source| &mut source.sites) {
            site.variants.retain(|(own, _)| *own != number);
        }
    }

    /// The places of all mutants that are in.
    pub fn places(&self) -> BTreeMap<Number, u32> {
        let sites = self.files.values().flat_map(|source| (source.first..).zip(&source.sites));
        sites
            .flat_map(|(place, site)| site.variants.iter().map(move |(number, _)| (*number, place)))
            .collect()
    }
}

/// Writes a file unless it has this content.
fn update(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes what an earlier copy held and the tree holds no more: a test file would be compiled again.
fn remove_strays(root: &Path, folder: &Path, names: &[&str]) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_strays(root, &path, names)?;
        } else if !path.strip_prefix(root)?.to_str().is_some_and(|name| names.contains(&name)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
