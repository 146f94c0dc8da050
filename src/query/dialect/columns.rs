//! Names of columns: what was typed, where no name was given.
//!
//! In: the tokens of a statement, then each `SELECT` of its tree. Out: the `SELECT`, in which each column that is more than a name
//! has its own text as name: `count(*) FILTER (WHERE outcome = 'success')`. Guaranteed: names within one list are distinct; runs of
//! blanks and comments are one blank.

use std::collections::{HashMap, HashSet};

use datafusion::sql::sqlparser::{
    ast::{
        Distinct, Expr, Ident, OrderBy, OrderByKind, Query, ReplaceSelectItem, Select, SelectItem, SetExpr,
    },
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan, Whitespace},
};

use super::super::{distinct::distinct_name, refusal::folded};

/// The text of each column, by where its `SELECT` stands.
#[derive(Debug, Default)]
pub(crate) struct Typed(HashMap<(u64, u64), Vec<String>>);

/// A `SELECT` of which the columns are being read.
struct Open {
    at: (u64, u64),
    columns: Vec<String>,
    column: String,
    /// What comes before the first column: `DISTINCT ON (…)`.
    before: Before,
}

#[derive(PartialEq)]
enum Before {
    Select,
    Distinct,
    On,
    Columns,
}

impl Typed {
    /// Reads them in one pass.
    pub(super) fn read(tokens: &[TokenWithSpan], sql: &str) -> Self {
        let offsets = Offsets::of(sql);
        let mut typed = Self::default();
        // One level of parentheses each; `None` where no list of columns is open.
        let mut levels: Vec<Option<Open>> = vec![None];
        let mut last = None;
        let mut is_member = false;
        for (number, token) in tokens.iter().enumerate() {
            if matches!(
                &token.token,
                Token::Whitespace(Whitespace::MultiLineComment(_) | Whitespace::SingleLineComment { .. })
            ) || matches!(&token.token, Token::Whitespace(_))
            {
                levels.iter_mut().flatten().for_each(|open| open.push(" "));
                continue;
            }
            let end = tokens.get(number + 1).map_or(sql.len(), |next| offsets.at(next.span.start));
            let text = sql.get(offsets.at(token.span.start)..end).unwrap_or_default();
            let keyword = match &token.token {
                // `e.offset` is a column.
                Token::Word(word) if word.quote_style.is_none() && !is_member => word.keyword,
                _ => Keyword::NoKeyword,
            };
            is_member = token.token == Token::Period;
            let closes = matches!(token.token, Token::RParen | Token::RBracket | Token::RBrace);
            if closes && levels.len() > 1 {
                typed.close(levels.pop().flatten());
            }
            let is_level_end = match levels.last_mut() {
                Some(Some(open)) => open.ends_with(keyword, &token.token, last),
                _ => false,
            };
            if is_level_end || keyword == Keyword::SELECT {
                typed.close(levels.last_mut().and_then(Option::take));
            }
            if keyword == Keyword::SELECT
                && let Some(level) = levels.last_mut()
            {
                *level = Some(Open::at(token.span.start));
                // To the levels around it is a part of a column.
                let around = levels.len() - 1;
                levels[..around].iter_mut().flatten().for_each(|open| open.push(text));
                last = Some(keyword);
                continue;
            }
            let inner = levels.len() - 1;
            for (level, open) in levels.iter_mut().enumerate() {
                if let Some(open) = open {
                    open.take(text, &token.token, keyword, level == inner && !closes);
                }
            }
            if matches!(token.token, Token::LParen | Token::LBracket | Token::LBrace) {
                levels.push(None);
            }
            last = Some(if token.token == Token::Mul { Keyword::ALL } else { keyword });
        }
        levels.into_iter().for_each(|open| typed.close(open));
        typed
    }

    fn close(&mut self, open: Option<Open>) {
        if let Some(mut open) = open {
            open.end_column();
            self.0.insert(open.at, open.columns);
        }
    }

    /// Gives the columns of `select` their names.
    pub(super) fn name(&self, select: &mut Select) {
        let at = select.select_token.0.span.start;
        let columns = self.0.get(&(at.line, at.column));
        // Should the reading of tokens have missed something, the parser's own form is as good.
        let columns = columns.filter(|columns| columns.len() == select.projection.len());
        let mut taken = HashSet::new();
        for (position, item) in select.projection.iter_mut().enumerate() {
            match item {
                SelectItem::UnnamedExpr(expression) => match column_name(expression) {
                    Some(name) if !is_taken(&name, &taken) => {
                        taken.insert(name);
                    }
                    name => {
                        let name = name.map(|name| last_part(&name).to_string());
                        let shown = columns.map(|columns| columns[position].clone());
                        let shown = name.or(shown).unwrap_or_else(|| expression.to_string());
                        let alias = Ident::with_quote('"', distinct_name(&shown, &mut taken));
                        *item = SelectItem::ExprWithAlias { expr: super::take(expression), alias };
                    }
                },
                SelectItem::ExprWithAlias { alias, .. } => {
                    taken.insert(alias.value.clone());
                }
                _ => {}
            }
        }
    }
}

/// `SELECT DISTINCT lower(a) … ORDER BY lower(a)`: what is sorted by is the column, which the planner sees by its name only.
pub(super) fn order_by_names(query: &mut Query) {
    let Query { body, order_by: Some(OrderBy { kind: OrderByKind::Expressions(order), .. }), .. } = query
    else {
        return;
    };
    let SetExpr::Select(select) = body.as_ref() else { return };
    if !matches!(select.distinct, Some(Distinct::Distinct)) {
        return;
    }
    for key in order {
        let named = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == key.expr => Some(alias),
            _ => None,
        });
        if let Some(alias) = named {
            key.expr = Expr::Identifier(alias.clone());
        }
    }
}

/// `* REPLACE (1 AS ID)`: the planner compares the name as it is typed and would replace nothing.
pub(super) fn fold_replaced(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item
            && let Some(ReplaceSelectItem { items }) = &mut options.opt_replace
        {
            items.iter_mut().for_each(|item| item.column_name.value = folded(&item.column_name));
        }
    }
}

/// The name of what is a column already.
fn column_name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Identifier(name) => Some(folded(name)),
        // Columns of two tables may have one name: the answer tells them apart, see `plan.rs`.
        Expr::CompoundIdentifier(names) => Some(names.iter().map(folded).collect::<Vec<_>>().join(".")),
        Expr::Nested(inner) => column_name(inner),
        _ => None,
    }
}

/// Whether the planner would have a column twice: `id` and `events.id` are one, `a.id` and `b.id` are not.
fn is_taken(name: &str, taken: &HashSet<String>) -> bool {
    let short = last_part(name);
    taken.contains(name)
        || taken.contains(short)
        || short == name && taken.iter().any(|other| last_part(other) == name && other != name)
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Open {
    fn at(location: Location) -> Self {
        Self {
            at: (location.line, location.column),
            columns: Vec::new(),
            column: String::new(),
            before: Before::Select,
        }
    }

    fn push(&mut self, text: &str) {
        if text != " " || !(self.column.is_empty() || self.column.ends_with(' ')) {
            self.column.push_str(text);
        }
    }

    /// Whether the list of columns ends before a token of its own level.
    fn ends_with(&self, keyword: Keyword, token: &Token, last: Option<Keyword>) -> bool {
        if *token == Token::SemiColon {
            return true;
        }
        match keyword {
            // `IS DISTINCT FROM`.
            Keyword::FROM => last != Some(Keyword::DISTINCT),
            // `* EXCEPT (…)`; ALL stands for `*`.
            Keyword::EXCEPT => last != Some(Keyword::ALL),
            // `percentile_cont(0.5) WITHIN GROUP (…)`.
            Keyword::GROUP => last != Some(Keyword::WITHIN),
            Keyword::INTO
            | Keyword::WHERE
            | Keyword::HAVING
            | Keyword::WINDOW
            | Keyword::QUALIFY
            | Keyword::UNION
            | Keyword::INTERSECT
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::FETCH => true,
            _ => false,
        }
    }

    /// Takes a token; `own`: it is of the list's own level.
    fn take(&mut self, text: &str, token: &Token, keyword: Keyword, own: bool) {
        if own {
            match (&self.before, keyword) {
                (Before::Select, Keyword::ALL) => return,
                (Before::Select, Keyword::DISTINCT) => {
                    self.before = Before::Distinct;
                    return;
                }
                (Before::Distinct, Keyword::ON) => {
                    self.before = Before::On;
                    return;
                }
                (Before::On, _) if *token == Token::LParen => return,
                (Before::On, _) | (Before::Select | Before::Distinct, _) => {
                    self.before = Before::Columns;
                    self.column.clear();
                }
                (Before::Columns, _) => {}
            }
            if *token == Token::Comma {
                self.end_column();
                return;
            }
        }
        self.push(text);
    }

    fn end_column(&mut self) {
        let column = self.column.trim().to_string();
        self.column.clear();
        if !column.is_empty() {
            self.columns.push(column);
        }
    }
}

/// Where lines and letters of a text start.
struct Offsets {
    /// The number of the first letter of each line.
    lines: Vec<usize>,
    letters: Vec<usize>,
}

impl Offsets {
    fn of(text: &str) -> Self {
        let mut lines = vec![0];
        let mut letters = Vec::with_capacity(text.len());
        for (number, (offset, letter)) in text.char_indices().enumerate() {
            letters.push(offset);
            if letter == '\n' {
                lines.push(number + 1);
            }
        }
        letters.push(text.len());
        Self { lines, letters }
    }

    fn at(&self, location: Location) -> usize {
        let line = self.lines.get(location.line.saturating_sub(1) as usize).copied().unwrap_or_default();
        let letter = line + location.column.saturating_sub(1) as usize;
        self.letters.get(letter).or(self.letters.last()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn columns(sql: &str) -> Vec<Vec<String>> {
        let tokens = Tokenizer::new(&super::super::Dialect, sql).tokenize_with_location().unwrap();
        let mut typed: Vec<_> = Typed::read(&tokens, sql).0.into_iter().collect();
        typed.sort();
        typed.into_iter().map(|(_, columns)| columns).collect()
    }

    /// Would catch a column that is cut at a comma or keyword inside of it, and text that is not what was typed.
    #[test]
    fn columns_are_cut_where_they_end() {
        assert_eq!(
            columns(
                "SELECT  count( * )\n FILTER (WHERE a = 'it''s, FROM'), \"É\" -- so\n + 1 FROM t WHERE x"
            ),
            [["count( * ) FILTER (WHERE a = 'it''s, FROM')", "\"É\" + 1"]]
        );
        assert_eq!(
            columns("SELECT DISTINCT ON (a, b) f(a, b), a IS DISTINCT FROM b FROM t"),
            [["f(a, b)", "a IS DISTINCT FROM b"]]
        );
        assert_eq!(
            columns("SELECT (SELECT max(x) FROM t), y UNION SELECT [1, 2], z"),
            [vec!["(SELECT max(x) FROM t)", "y"], vec!["max(x)"], vec!["[1, 2]", "z"]]
        );
        assert_eq!(columns("SELECT * EXCEPT (a, b), c FROM t"), [["* EXCEPT (a, b)", "c"]]);
        assert_eq!(
            columns(
                "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FILTER (WHERE b), t.offset, x GROUP BY y"
            ),
            [["percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FILTER (WHERE b)", "t.offset", "x"]]
        );
    }
}
