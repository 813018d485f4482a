//! Which file uses which, read from the code: `use` declarations, paths in bodies and in macros.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// A module path without the crate, `["kv", "engine"]`; the crate root is empty.
pub(crate) type ModulePath = Vec<String>;

/// The files of one crate and what each uses of the others. Test code is left out.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// For each file, the files that it uses.
    pub(crate) uses: BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    /// Every type with the file that defines it, unless it is private to that file.
    pub(crate) types: Vec<(String, ModulePath)>,
}

/// One file, parsed.
struct Source {
    module: ModulePath,
    syntax: syn::File,
}

impl Graph {
    /// Reads every Rust file below `folder`.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let mut files = Vec::new();
        collect(folder, folder, &mut files);
        Self::of(files)
    }

    /// Reads files given as path below the crate's `src` and text.
    ///
    /// Panics on a file that is not Rust: what cannot be read cannot be checked.
    pub(crate) fn of(files: Vec<(String, String)>) -> Self {
        let mut sources: Vec<_> = files
            .into_iter()
            .map(|(path, text)| Source {
                syntax: syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}")),
                module: module_path(&path),
            })
            .collect();
        let test_modules: BTreeSet<ModulePath> = sources.iter().flat_map(test_modules).collect();
        sources.retain(|source| {
            !(0..=source.module.len()).any(|end| test_modules.contains(&source.module[..end]))
        });
        let modules: BTreeSet<_> = sources.iter().map(|source| source.module.clone()).collect();
        let mut exports = BTreeMap::new();
        for source in &sources {
            reexports(source, &modules, &mut exports);
        }
        let mut graph = Self::default();
        for source in &sources {
            let mut paths = Paths { module: source.module.clone(), ..Paths::default() };
            paths.visit_file(&source.syntax);
            let used = paths.found.iter().filter_map(|path| resolve(path, &modules, &exports));
            let used = used.filter(|used| *used != source.module).collect();
            graph.uses.insert(source.module.clone(), used);
            graph.types.extend(shared_types(source));
        }
        graph
    }

    /// Every circle of files: groups in which each file reaches every other.
    pub(crate) fn circles(&self) -> Vec<Vec<ModulePath>> {
        let reach: BTreeMap<_, _> =
            self.uses.keys().map(|file| (file, self.reachable(file))).collect();
        let mut circles: Vec<Vec<ModulePath>> = Vec::new();
        for file in self.uses.keys().filter(|file| reach[file].contains(*file)) {
            if circles.iter().any(|circle| circle.contains(file)) {
                continue;
            }
            let others = reach[file].iter().filter(|other| reach[other].contains(file));
            circles.push(others.cloned().collect());
        }
        circles
    }

    fn reachable(&self, from: &ModulePath) -> BTreeSet<ModulePath> {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for used in self.uses.get(file).into_iter().flatten() {
                if found.insert(used.clone()) {
                    open.push(used);
                }
            }
        }
        found
    }
}

/// `kv/engine.rs` is `["kv", "engine"]`; `lib.rs` is the root.
fn module_path(path: &str) -> ModulePath {
    let stem = path.trim_end_matches(".rs");
    if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            if name == "main.rs" {
                continue; // the program, a crate of its own
            }
            into.push((name, fs::read_to_string(&path).expect("a source file")));
        }
    }
    into.sort();
}

/// The modules that a file declares for tests alone.
fn test_modules(source: &Source) -> Vec<ModulePath> {
    let declared = source.syntax.items.iter().filter_map(|item| match item {
        Item::Mod(module) if is_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    declared.map(|name| [source.module.as_slice(), &[name]].concat()).collect()
}

/// Whether `#[cfg(…)]` asks for tests, or for support that only tests have.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            _ => String::new(),
        };
        text == "test" || text.contains("\"test-support\"")
    })
}

/// Notes what `pub use` of a module below hands on, with the path where it is defined. Such a
/// re-export is no use of that file: it makes a surface.
fn reexports(
    source: &Source,
    modules: &BTreeSet<ModulePath>,
    into: &mut BTreeMap<ModulePath, ModulePath>,
) {
    for item in &source.syntax.items {
        let Item::Use(item) = item else { continue };
        for (path, name) in leaves(item) {
            if let Some(target) = own_child(&path, source, modules, item) {
                into.insert([source.module.as_slice(), &[name]].concat(), target);
            }
        }
    }
}

/// The absolute path behind `pub use child::Name`, if it is that.
fn own_child(
    path: &[String],
    source: &Source,
    modules: &BTreeSet<ModulePath>,
    item: &ItemUse,
) -> Option<ModulePath> {
    if matches!(item.vis, Visibility::Inherited) {
        return None;
    }
    let absolute = absolute(path, &source.module, modules)?;
    let below = absolute.len() > source.module.len() && absolute.starts_with(&source.module);
    below.then_some(absolute)
}

/// The path in terms of the crate's root; none when it leads out of the crate.
fn absolute(
    path: &[String],
    module: &[String],
    modules: &BTreeSet<ModulePath>,
) -> Option<ModulePath> {
    let first = path.first()?.as_str();
    match first {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let parent = &module[..module.len().checked_sub(ups)?];
            Some([parent, &path[ups..]].concat())
        }
        _ => {
            let child = [module, &path[..1]].concat();
            modules.contains(&child).then(|| [module, path].concat())
        }
    }
}

/// The file that an absolute path leads to, through re-exports.
fn resolve(
    path: &[String],
    modules: &BTreeSet<ModulePath>,
    exports: &BTreeMap<ModulePath, ModulePath>,
) -> Option<ModulePath> {
    let mut path = path.to_vec();
    // A chain of re-exports is as long as the tree is deep, at most.
    for _ in 0..16 {
        let handed_on = (1..=path.len()).rev().find_map(|end| {
            let target = exports.get(&path[..end])?;
            Some([target.as_slice(), &path[end..]].concat())
        });
        match handed_on {
            Some(next) if next != path => path = next,
            _ => break,
        }
    }
    let end = (0..=path.len()).rev().find(|end| modules.contains(&path[..*end]))?;
    Some(path[..end].to_vec())
}

/// Each path that a `use` names, and the name under which it is known afterwards.
fn leaves(item: &ItemUse) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    grow(&item.tree, &mut Vec::new(), &mut found);
    found
}

fn grow(tree: &UseTree, prefix: &mut Vec<String>, into: &mut Vec<(Vec<String>, String)>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            grow(&path.tree, prefix, into);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            into.push((prefix.clone(), prefix.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            into.push(([prefix.as_slice(), std::slice::from_ref(&name)].concat(), name));
        }
        UseTree::Rename(rename) => {
            let path = [prefix.as_slice(), &[rename.ident.to_string()]].concat();
            into.push((path, rename.rename.to_string()));
        }
        UseTree::Glob(_) => into.push((prefix.clone(), "*".into())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| grow(tree, prefix, into)),
    }
}

/// The types that other files of the crate can name.
fn shared_types(source: &Source) -> Vec<(String, ModulePath)> {
    let named = source.syntax.items.iter().filter_map(|item| match item {
        Item::Struct(item) => Some((&item.vis, &item.ident, &item.attrs)),
        Item::Enum(item) => Some((&item.vis, &item.ident, &item.attrs)),
        Item::Trait(item) => Some((&item.vis, &item.ident, &item.attrs)),
        Item::Type(item) => Some((&item.vis, &item.ident, &item.attrs)),
        _ => None,
    });
    named
        .filter(|(visibility, _, attributes)| {
            (matches!(visibility, Visibility::Public(_)) || is_crate_wide(visibility))
                && !is_test(attributes)
        })
        .map(|(_, name, _)| (name.to_string(), source.module.clone()))
        .collect()
}

/// Whether it is `pub(crate)`.
fn is_crate_wide(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Restricted(to) if to.path.is_ident("crate"))
}

/// Gathers every path of a file that stays in the crate, as an absolute one.
#[derive(Default)]
struct Paths {
    module: ModulePath,
    /// How many inline modules deep the visitor is: there `super` is one step nearer.
    inline: usize,
    found: BTreeSet<ModulePath>,
}

impl Paths {
    fn note(&mut self, path: &[String]) {
        let mut module = self.module.clone();
        module.extend((0..self.inline).map(|_| "{inline}".to_owned()));
        let first = path.first().map(String::as_str);
        if let Some("crate" | "self" | "super") = first
            && let Some(path) = absolute(path, &module, &BTreeSet::new())
        {
            self.found.insert(path);
        } else if path.len() > 1 && self.inline == 0 {
            // Perhaps a child module; if there is no such file, this resolves to the file itself.
            self.found.insert([module.as_slice(), path].concat());
        }
    }

    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note_longer(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.note_longer(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.note_tokens(group.stream());
                    }
                }
            }
        }
        self.note_longer(&path);
    }

    /// As `note`, for tokens of a macro: one word alone, as in `pub(super)`, uses nothing.
    fn note_longer(&mut self, path: &[String]) {
        if path.len() > 1 {
            self.note(path);
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.content.is_some() {
            self.inline += 1;
            syn::visit::visit_item_mod(self, module);
            self.inline -= 1;
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for (path, _) in leaves(item) {
            let is_child = !matches!(path[0].as_str(), "crate" | "self" | "super");
            let is_surface = !matches!(item.vis, Visibility::Inherited);
            let below = match path[0].as_str() {
                "crate" => path[1..].starts_with(&self.module),
                _ => is_child,
            };
            if !(is_surface && below) {
                self.note(&path);
            }
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(crate)` and `pub(super)` name a scope and use nothing of it.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if path.leading_colon.is_none() {
            self.note(&parts);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.note_tokens(call.tokens.clone());
    }
}
