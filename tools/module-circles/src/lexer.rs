//! Rust source as tokens, each with its line. Comments and the text of literals
//! are dropped, except string literals, which `#[path = "…"]` needs.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ident(String),
    /// `::`
    PathSep,
    Punct(char),
    Str(String),
    /// A number, a character or a lifetime.
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_punct(&self, sign: char) -> bool {
        self.kind == Kind::Punct(sign)
    }

    pub(crate) fn ident(&self) -> Option<&str> {
        match &self.kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }
}

pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        chars: source.chars().collect(),
        at: 0,
        line: 1,
    };
    std::iter::from_fn(|| lexer.next_token()).collect()
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }

    fn next_token(&mut self) -> Option<Token> {
        self.skip_blanks();
        let line = self.line;
        let kind = match self.peek(0)? {
            c if is_ident_start(c) => self.word(),
            c if c.is_ascii_digit() => self.number(),
            '"' => self.string(),
            '\'' => self.quote(),
            ':' if self.peek(1) == Some(':') => {
                self.at += 2;
                Kind::PathSep
            }
            sign => {
                self.at += 1;
                Kind::Punct(sign)
            }
        };
        Some(Token { kind, line })
    }

    fn skip_blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(c), _) if c.is_whitespace() => {
                    self.bump();
                }
                (Some('/'), Some('/')) => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                (Some('/'), Some('*')) => self.skip_block_comment(),
                _ => return,
            }
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => {
                    self.bump();
                }
                (None, _) => return,
            }
        }
    }

    /// An identifier, or a literal whose prefix looks like one (`b"…"`, `r#"…"#`).
    fn word(&mut self) -> Kind {
        let start = self.at;
        while self.peek(0).is_some_and(is_ident_part) {
            self.at += 1;
        }
        let name: String = self.chars[start..self.at].iter().collect();
        let is_prefix = matches!(&*name, "b" | "c" | "r" | "br" | "cr");
        match self.peek(0) {
            Some('"') if matches!(&*name, "b" | "c") => self.string(),
            Some('\'') if name == "b" => self.quote(),
            Some('"' | '#') if is_prefix && name.ends_with('r') => {
                if name == "r" && self.peek(1).is_some_and(is_ident_start) {
                    // A raw identifier.
                    self.at += 1;
                    return self.word();
                }
                self.raw_string()
            }
            _ => Kind::Ident(name),
        }
    }

    fn number(&mut self) -> Kind {
        while self.peek(0).is_some_and(is_ident_part) {
            self.at += 1;
            let is_fraction = self.peek(0) == Some('.');
            if is_fraction && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
            }
        }
        Kind::Other
    }

    fn string(&mut self) -> Kind {
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '"' => break,
                '\\' => {
                    self.bump();
                }
                c => text.push(c),
            }
        }
        Kind::Str(text)
    }

    fn raw_string(&mut self) -> Kind {
        let mut hashes = 0;
        while self.peek(0) == Some('#') {
            self.at += 1;
            hashes += 1;
        }
        self.bump();
        let ends = |lexer: &Self| (1..=hashes).all(|ahead| lexer.peek(ahead) == Some('#'));
        while self.peek(0).is_some_and(|c| c != '"') || (self.peek(0).is_some() && !ends(self)) {
            self.bump();
        }
        self.at += 1 + hashes;
        Kind::Other
    }

    /// A character or a lifetime.
    fn quote(&mut self) -> Kind {
        self.at += 1;
        if self.peek(0) == Some('\\') {
            self.at += 2;
            while self.bump().is_some_and(|c| c != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.bump();
            self.at += 1;
        } else {
            while self.peek(0).is_some_and(is_ident_part) {
                self.at += 1;
            }
        }
        Kind::Other
    }
}

fn is_ident_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_ident_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idents(source: &str) -> Vec<String> {
        let all = tokens(source);
        all.iter()
            .filter_map(|token| token.ident().map(ToOwned::to_owned))
            .collect()
    }

    #[test]
    fn comments_and_literals_hold_no_identifiers() {
        let source = r##"a // x
            /* y /* z */ y */ b "x\"y" c b"x" r#"x"y"# d 'x' '\'' b'x' e 1.5f32 f 'life g r#type"##;
        assert_eq!(idents(source), ["a", "b", "c", "d", "e", "f", "g", "type"]);
    }

    #[test]
    fn a_token_knows_its_line() {
        let all = tokens("a\n\"x\ny\" b\n/*\n*/ c::d");
        let lines: Vec<_> = all.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 5, 5]);
        assert_eq!(all[4].kind, Kind::PathSep);
    }
}
