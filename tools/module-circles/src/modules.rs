//! The modules of a crate, and what each of them writes: its items, its imports
//! and the paths in its code. Code under `#[cfg(test)]` is left out.

mod reader;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use self::reader::Reader;
use crate::lexer::tokens;

/// A path as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) parent: Option<usize>,
    pub(crate) file: PathBuf,
    pub(crate) children: BTreeMap<String, usize>,
    /// The names of what is defined here, other than modules.
    pub(crate) items: BTreeSet<String>,
    /// What `use` brings in, by its name here.
    pub(crate) imports: BTreeMap<String, Written>,
    /// `use path::*`
    pub(crate) globs: Vec<Written>,
    /// Paths in code, those of one segment too.
    pub(crate) paths: Vec<Written>,
}

/// The modules of one crate; the first is its root.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
}

/// How files are read.
pub(crate) trait Files {
    fn read(&self, path: &Path) -> io::Result<String>;
}

impl Crate {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(files: &dyn Files, root: &Path) -> io::Result<Self> {
        let mut all = Self {
            modules: Vec::new(),
        };
        let folder = root.parent().unwrap_or(Path::new(""));
        all.read_file(files, ("crate", None), root.to_owned(), folder)?;
        Ok(all)
    }

    /// `folder` is where the files of its children are.
    fn read_file(
        &mut self,
        files: &dyn Files,
        (name, parent): (&str, Option<usize>),
        file: PathBuf,
        folder: &Path,
    ) -> io::Result<usize> {
        let source = files
            .read(&file)
            .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        let id = self.add(name, parent, file);
        Reader::new(self, files, &tokens(&source)).module(id, folder)?;
        Ok(id)
    }

    fn add(&mut self, name: &str, parent: Option<usize>, file: PathBuf) -> usize {
        let id = self.modules.len();
        self.modules.push(Module {
            name: name.to_owned(),
            parent,
            file,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            paths: Vec::new(),
        });
        if let Some(parent) = parent {
            self.modules[parent].children.insert(name.to_owned(), id);
        }
        id
    }
}
