//! The uses among the children of each module, and the circles among them. A use counts
//! for the child that contains the using code and for the child that contains the used
//! item. A module and its ancestors or descendants make no edge.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::modules::{Crate, Module, Written};

/// A use of an item, with its place in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) path: String,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            to,
            file,
            line,
            path,
        } = self;
        write!(f, "{file}:{line}: {from} -> {to} ({path})")
    }
}

/// Siblings that use each other in a circle, and the uses.
#[derive(Debug)]
pub(crate) struct Circle {
    pub(crate) parent: String,
    pub(crate) members: Vec<String>,
    pub(crate) uses: Vec<Use>,
}

type Edges = BTreeMap<(usize, usize), BTreeSet<Use>>;

/// All circles of `all`.
pub(crate) fn circles(all: &Crate) -> Vec<Circle> {
    let mut by_parent: BTreeMap<usize, Edges> = BTreeMap::new();
    for (from, module) in all.modules.iter().enumerate() {
        for written in module.paths.iter().chain(&module.globs) {
            let Some(to) = target(all, from, &written.segments) else {
                continue;
            };
            if is_said_by_import(all, from, written, to) {
                continue;
            }
            let Some((parent, a, b)) = siblings(all, from, to) else {
                continue;
            };
            let edge = Use {
                from: all.modules[a].name.clone(),
                to: all.modules[b].name.clone(),
                file: module.file.display().to_string(),
                line: written.line,
                path: written.segments.join("::"),
            };
            let edges = by_parent.entry(parent).or_default();
            edges.entry((a, b)).or_default().insert(edge);
        }
    }
    let found = by_parent.iter();
    found
        .flat_map(|(parent, edges)| circles_among(all, *parent, edges))
        .collect()
}

/// Whether `written` begins with an imported name, and the import is an edge to the
/// same module: one line is enough.
fn is_said_by_import(all: &Crate, from: usize, written: &Written, to: usize) -> bool {
    let import = all.modules[from].imports.get(&written.segments[0]);
    import.is_some_and(|import| {
        import.line != written.line && target(all, from, &import.segments) == Some(to)
    })
}

fn circles_among(all: &Crate, parent: usize, edges: &Edges) -> Vec<Circle> {
    let members: BTreeSet<usize> = edges.keys().flat_map(|(a, b)| [*a, *b]).collect();
    let reached: BTreeMap<usize, BTreeSet<usize>> = members
        .iter()
        .map(|id| (*id, reachable(edges, *id)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for id in &members {
        if !reached[id].contains(id) || !seen.insert(*id) {
            continue;
        }
        let round: BTreeSet<usize> = members
            .iter()
            .copied()
            .filter(|other| reached[id].contains(other) && reached[other].contains(id))
            .collect();
        seen.extend(&round);
        let uses = edges
            .iter()
            .filter(|((a, b), _)| round.contains(a) && round.contains(b));
        found.push(Circle {
            parent: name_of(all, parent),
            members: round
                .iter()
                .map(|id| all.modules[*id].name.clone())
                .collect(),
            uses: uses.flat_map(|(_, uses)| uses.iter().cloned()).collect(),
        });
    }
    found
}

fn reachable(edges: &Edges, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (a, b) in edges.keys() {
            if *a == at && reached.insert(*b) {
                open.push(*b);
            }
        }
    }
    reached
}

fn name_of(all: &Crate, id: usize) -> String {
    let module = &all.modules[id];
    match module.parent {
        Some(parent) => format!("{}::{}", name_of(all, parent), module.name),
        None => module.name.clone(),
    }
}

/// From the root down to `id`.
fn line_of(all: &Crate, id: usize) -> Vec<usize> {
    let mut line = all.modules[id]
        .parent
        .map_or_else(Vec::new, |parent| line_of(all, parent));
    line.push(id);
    line
}

/// The parent that both have, and its two children that `from` and `to` belong to.
fn siblings(all: &Crate, from: usize, to: usize) -> Option<(usize, usize, usize)> {
    let (from, to) = (line_of(all, from), line_of(all, to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    Some((from[shared - 1], *from.get(shared)?, *to.get(shared)?))
}

/// What a name stands for.
enum Found {
    Module(usize),
    /// An item that this module defines.
    Item(usize),
}

impl Found {
    fn module(&self) -> usize {
        match self {
            Self::Module(id) | Self::Item(id) => *id,
        }
    }
}

/// The module in which what `path` names, as `from` writes it, is defined; `None`
/// where that is in another crate.
fn target(all: &Crate, from: usize, path: &[String]) -> Option<usize> {
    resolve(all, from, path, &mut BTreeSet::new()).map(|found| found.module())
}

type Seen = BTreeSet<(usize, String)>;

fn resolve(all: &Crate, from: usize, path: &[String], seen: &mut Seen) -> Option<Found> {
    let (first, rest) = path.split_first()?;
    let mut found = match &**first {
        "crate" => Found::Module(0),
        "self" => Found::Module(from),
        "super" => Found::Module(all.modules[from].parent?),
        name => lookup(all, from, name, seen)?,
    };
    for name in rest {
        let Found::Module(at) = found else { break };
        found = match &**name {
            "super" => Found::Module(all.modules[at].parent?),
            // An item that is made by a macro, or a name that was missed: at least it is there.
            name => lookup(all, at, name, seen).unwrap_or(Found::Item(at)),
        };
    }
    Some(found)
}

/// What `name` stands for in the module `at`, re-exports followed.
fn lookup(all: &Crate, at: usize, name: &str, seen: &mut Seen) -> Option<Found> {
    let module: &Module = &all.modules[at];
    if let Some(child) = module.children.get(name) {
        return Some(Found::Module(*child));
    }
    if module.items.contains(name) {
        return Some(Found::Item(at));
    }
    if !seen.insert((at, name.to_owned())) {
        return None;
    }
    if let Some(import) = module.imports.get(name) {
        // `use name::name` of another crate names itself.
        let found = resolve(all, at, &import.segments, seen);
        seen.remove(&(at, name.to_owned()));
        return found;
    }
    let found = module.globs.iter().find_map(|glob| {
        let of = resolve(all, at, &glob.segments, seen)?;
        match of {
            Found::Module(of) if of != at => lookup(all, of, name, seen),
            _ => None,
        }
    });
    seen.remove(&(at, name.to_owned()));
    found
}
