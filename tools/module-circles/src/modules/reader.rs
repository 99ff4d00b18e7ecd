//! Reads the tokens of one file: its items, imports, paths and child modules.

use std::{io, path::Path};

use super::{Crate, Files, Written};
use crate::lexer::{Kind, Token};

pub(super) struct Reader<'a> {
    all: &'a mut Crate,
    files: &'a dyn Files,
    tokens: &'a [Token],
    at: usize,
}

/// What an attribute says that matters here.
#[derive(Default)]
struct Attributes {
    is_test: bool,
    path: Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(all: &'a mut Crate, files: &'a dyn Files, tokens: &'a [Token]) -> Self {
        Self {
            all,
            files,
            tokens,
            at: 0,
        }
    }

    fn peek(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    fn is_punct(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead).is_some_and(|token| token.is_punct(sign))
    }

    fn ident(&self, ahead: usize) -> Option<&'a str> {
        self.peek(ahead)?.ident()
    }

    /// Reads until the brace that ends the module, or the end of the file.
    pub(super) fn module(&mut self, id: usize, folder: &Path) -> io::Result<()> {
        let mut depth = 0_usize;
        let mut attributes = Attributes::default();
        while let Some(token) = self.peek(0) {
            match &token.kind {
                Kind::Punct('#') if self.is_punct(1, '[') => {
                    self.at += 1;
                    self.attribute(id, &mut attributes);
                    continue;
                }
                _ if attributes.is_test => {
                    self.skip_item();
                    attributes = Attributes::default();
                    continue;
                }
                Kind::Punct('{' | '(' | '[') => depth += 1,
                Kind::Punct('}' | ')' | ']') if depth == 0 => {
                    self.at += 1;
                    return Ok(());
                }
                Kind::Punct('}' | ')' | ']') => depth -= 1,
                Kind::Ident(word) => {
                    let word = word.clone();
                    match &*word {
                        "use" if self.is_use() => self.import(id),
                        "mod" if self.ident(1).is_some() => {
                            self.child(id, folder, attributes.path.take())?;
                        }
                        _ => self.word(id, &word, depth == 0),
                    }
                    if word != "pub" {
                        attributes = Attributes::default();
                    }
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }

    /// `use` begins an import, other than in `impl Trait + use<'a>`.
    fn is_use(&self) -> bool {
        !self.is_punct(1, '<')
    }

    /// Reads `[…]`; paths in it count as code.
    fn attribute(&mut self, id: usize, attributes: &mut Attributes) {
        let start = self.at;
        self.skip_group();
        let tokens: &'a [Token] = self.tokens;
        let inside = &tokens[start + 1..self.at.saturating_sub(1).max(start + 1)];
        let words: Vec<&str> = inside.iter().filter_map(Token::ident).collect();
        match &words[..] {
            ["cfg", "test"] | ["cfg", "all", "test", ..] => attributes.is_test = true,
            ["path"] => {
                attributes.path = inside.iter().find_map(|token| match &token.kind {
                    Kind::Str(text) => Some(text.clone()),
                    _ => None,
                });
            }
            _ => {
                let end = self.at;
                self.at = start + 1;
                while self.at < end {
                    match self.ident(0).map(ToOwned::to_owned) {
                        Some(word) => self.word(id, &word, false),
                        None => self.at += 1,
                    }
                }
                self.at = end;
            }
        }
    }

    /// Reads over a group in parentheses, brackets or braces.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek(0) {
            match token.kind {
                Kind::Punct('(' | '[' | '{') => depth += 1,
                Kind::Punct(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads over what an attribute is on: an item, a statement, a field.
    fn skip_item(&mut self) {
        const ITEMS: [&str; 17] = [
            "mod",
            "use",
            "fn",
            "struct",
            "enum",
            "union",
            "impl",
            "trait",
            "const",
            "static",
            "type",
            "async",
            "unsafe",
            "extern",
            "macro_rules",
            "let",
            "pub",
        ];
        let first = self.ident(0).unwrap_or_default().to_owned();
        let is_item = ITEMS.contains(&&*first);
        let mut is_import = first == "use";
        while let Some(token) = self.peek(0) {
            match &token.kind {
                Kind::Ident(word) if word == "use" => is_import = true,
                Kind::Punct(';') => {
                    self.at += 1;
                    return;
                }
                Kind::Punct(',') if !is_item => {
                    self.at += 1;
                    return;
                }
                Kind::Punct('}' | ')' | ']') => return,
                Kind::Punct(open @ ('{' | '(' | '[')) => {
                    let is_body = *open == '{' && !is_import;
                    self.skip_group();
                    if is_body {
                        return;
                    }
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// `mod name;` or `mod name { … }`.
    fn child(&mut self, id: usize, folder: &Path, path: Option<String>) -> io::Result<()> {
        let name = self.ident(1).unwrap_or_default().to_owned();
        self.at += 2;
        if self.is_punct(0, '{') {
            self.at += 1;
            let file = self.all.modules[id].file.clone();
            let child = self.all.add(&name, Some(id), file);
            return self.module(child, &folder.join(&name));
        }
        let own = folder.join(&name);
        let flat = match path {
            Some(path) => folder.join(path),
            None => folder.join(format!("{name}.rs")),
        };
        let nested = own.join("mod.rs");
        let file = if self.files.read(&flat).is_ok() {
            flat
        } else {
            nested
        };
        self.all
            .read_file(self.files, (&name, Some(id)), file, &own)?;
        Ok(())
    }

    /// `use tree;`
    fn import(&mut self, id: usize) {
        self.at += 1;
        self.tree(id, &[]);
    }

    fn tree(&mut self, id: usize, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        loop {
            let Some(token) = self.peek(0) else { return };
            let line = token.line;
            match &token.kind {
                Kind::PathSep if segments.is_empty() => {
                    // `use ::name`: another crate.
                    segments.push("::".to_owned());
                    self.at += 1;
                }
                Kind::PathSep => self.at += 1,
                Kind::Punct('*') => {
                    self.at += 1;
                    self.all.modules[id].globs.push(Written { segments, line });
                    return;
                }
                Kind::Punct('{') => {
                    self.at += 1;
                    while self.peek(0).is_some() && !self.is_punct(0, '}') {
                        self.tree(id, &segments);
                        if self.is_punct(0, ',') {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Kind::Ident(word) if word == "as" => {
                    let alias = self.ident(1).unwrap_or("_").to_owned();
                    self.at += 2;
                    self.named(id, alias, segments, line);
                    return;
                }
                Kind::Ident(word) => {
                    if word != "self" || segments.is_empty() {
                        segments.push(word.clone());
                    }
                    self.at += 1;
                }
                _ => {
                    let name = segments.last().cloned().unwrap_or_default();
                    self.named(id, name, segments, line);
                    return;
                }
            }
        }
    }

    fn named(&mut self, id: usize, name: String, segments: Vec<String>, line: usize) {
        let written = Written { segments, line };
        let module = &mut self.all.modules[id];
        module.paths.push(written.clone());
        if name != "_" {
            module.imports.insert(name, written);
        }
    }

    /// A word of code: the name of an item, or where a path begins.
    fn word(&mut self, id: usize, word: &str, is_at_top: bool) {
        const DEFINE: [&str; 8] = [
            "struct", "enum", "union", "trait", "fn", "type", "const", "static",
        ];
        let line = self.peek(0).map_or(0, |token| token.line);
        let defined = match word {
            "macro_rules" => self.ident(2),
            _ if DEFINE.contains(&word) => self.ident(1),
            _ => None,
        };
        if let Some(name) = defined.map(ToOwned::to_owned) {
            if is_at_top {
                self.all.modules[id].items.insert(name);
            }
            // `const fn`: the next word says the name.
            self.at += if DEFINE.contains(&self.ident(1).unwrap_or_default()) {
                1
            } else {
                2
            };
            return;
        }
        // `x.word` and `<T>::word` begin no path; `..word` does.
        let is_tail = match &self.tokens[..self.at] {
            [.., a, b] if b.is_punct('.') => !a.is_punct('.'),
            [.., b] => b.kind == Kind::PathSep,
            [] => false,
        };
        let mut segments = vec![word.to_owned()];
        self.at += 1;
        while self
            .peek(0)
            .is_some_and(|token| token.kind == Kind::PathSep)
        {
            let Some(next) = self.ident(1).map(ToOwned::to_owned) else {
                break;
            };
            segments.push(next);
            self.at += 2;
        }
        if !is_tail {
            self.all.modules[id].paths.push(Written { segments, line });
        }
    }
}
