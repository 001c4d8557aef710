//! The input of the rules: the files of the repository and the workspace's manifests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use super::Source;
use crate::Result;

/// Folders outside the crates whose files are checked.
const FOLDERS: &[&str] = &[".cargo", ".ci", ".github", "docs", "fuzz", "recipes"];

/// Ends of the paths of folders that hold only generated files.
const GENERATED: &[&str] = &["target", "docs/book", ".git"];

/// Endings of the files that are read; files without an ending are read in `.ci` only.
const ENDINGS: &[&str] = &["rs", "md", "toml", "bib", "lock", "py", "yml", "sh"];

/// The repository as the rules see it.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<Source>,
    pub(crate) members: Vec<Member>,
    pub(crate) graph: Graph,
}

/// A crate of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The folder of the crate, from the root.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A line of a manifest's dependency tables.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) requirement: String,
    pub(crate) dev: bool,
}

/// Direct dependencies that are compiled into a package, development ones left out; keys are `name version`.
pub(crate) type Graph = BTreeMap<String, Vec<String>>;

impl Tree {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).exec()?;
        let members: Vec<Member> = metadata.workspace_packages().iter().map(|p| member(p, &metadata)).collect();
        let mut files = vec![];
        read_folder(root, "", false, &mut files)?;
        for folder in FOLDERS.iter().copied().chain(members.iter().map(|m| m.folder.as_str())) {
            read_folder(root, folder, true, &mut files)?;
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files, members, graph: graph(&metadata) })
    }

    /// A file by its path from the root.
    pub(crate) fn file(&self, path: &str) -> Result<&Source> {
        let file = self.files.iter().find(|file| file.path == path);
        file.ok_or_else(|| format!("tidy: {path} does not exist").into())
    }

    /// The files of a crate.
    pub(crate) fn files_of(&self, member: &Member) -> impl Iterator<Item = &Source> {
        let prefix = format!("{}/", member.folder);
        self.files.iter().filter(move |file| file.path.starts_with(&prefix))
    }
}

fn read_folder(root: &Path, folder: &str, deep: bool, files: &mut Vec<Source>) -> Result<()> {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().display().to_string();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_dir() {
            if deep && !GENERATED.iter().any(|end| Path::new(&path).ends_with(end)) {
                read_folder(root, &path, deep, files)?;
            }
        } else if is_read(&path) {
            files.push(Source { text: fs::read_to_string(entry.path())?, path });
        }
    }
    Ok(())
}

fn is_read(path: &str) -> bool {
    match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')) {
        Some((_, ending)) => ENDINGS.contains(&ending),
        None => path.starts_with(".ci/"),
    }
}

fn member(package: &Package, metadata: &Metadata) -> Member {
    let manifest = package.manifest_path.parent().unwrap_or(&package.manifest_path);
    let folder = manifest.strip_prefix(&metadata.workspace_root).unwrap_or(manifest);
    let dependency = |d: &cargo_metadata::Dependency| Dependency {
        name: d.rename.clone().unwrap_or_else(|| d.name.clone()),
        requirement: d.req.to_string(),
        dev: d.kind == DependencyKind::Development,
    };
    Member {
        name: package.name.to_string(),
        folder: folder.as_str().replace('\\', "/"),
        dependencies: package.dependencies.iter().map(dependency).collect(),
    }
}

fn graph(metadata: &Metadata) -> Graph {
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|p| (&p.id, format!("{} {}", p.name, p.version))).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    nodes
        .map(|node| {
            let compiled = node.deps.iter().filter(|dep| {
                dep.dep_kinds.is_empty() || dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            (names[&node.id].clone(), compiled.map(|dep| names[&dep.pkg].clone()).collect())
        })
        .collect()
}
