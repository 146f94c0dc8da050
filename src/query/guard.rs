//! The gate in front of the planner: which SQL may be planned at all.
//!
//! In: a SQL text from anyone. Out: one parsed read-only statement and the names of its parameters, or an
//! error that names what is refused. Guaranteed: whatever passes is small and shallow enough that planning
//! and dropping it need little stack and memory. Parser and planner go down expressions by recursion, and a
//! stack overflow ends the process, so the caps come before the planner, the count of
//! tokens before the parser, and callers run [`check`] on a thread with [`QUERY_STACK_BYTES`] of stack: a
//! syntax tree is as deep as its tokens allow while it is being measured and dropped.
//!
//! [`QUERY_STACK_BYTES`]: crate::limits::QUERY_STACK_BYTES

mod clauses;
mod expressions;
mod names;
mod types;
mod walk;

use std::{collections::BTreeSet, ops::ControlFlow};

use datafusion::{
    common::DataFusionError,
    sql::{
        parser::{DFParserBuilder, Statement},
        sqlparser::{
            ast::{self, DescribeAlias, Visit},
            parser::ParserError,
            tokenizer::{Token, TokenWithSpan, Tokenizer},
        },
    },
};

use super::{dialect, refusal::refused};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::{SQL_BYTES_MAX, SQL_NESTING_MAX, SQL_TOKENS_MAX},
};

/// Functions whose result can be far larger than their arguments: memory that no pool accounts for.
pub(crate) const REFUSED_FUNCTIONS: [&str; 9] = [
    "generate_series",
    "range",
    "repeat",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "lpad",
    "rpad",
];

/// A statement that may be planned.
#[derive(Debug)]
pub(crate) struct Checked {
    /// SELECT, WITH, VALUES, DESCRIBE, or EXPLAIN of one of them.
    pub(crate) statement: Statement,
    /// Names of the parameters in the text, without the `$`.
    pub(crate) placeholders: BTreeSet<String>,
}

/// Parses `sql` and decides whether it may be planned.
///
/// Errors: `Limit` past a cap of [`crate::limits`], `Invalid` for anything but one read-only statement.
pub(crate) fn check(sql: &str) -> Result<Checked> {
    examine(sql).map_err(|error| error.about("/sql"))
}

fn examine(sql: &str) -> Result<Checked> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(over("bytes", sql.len(), SQL_BYTES_MAX));
    }
    let tokens = tokenize(sql)?;
    let mut statement = parse(dialect::complete(tokens.clone()))?;
    if let Some(listing) = listing(&statement)? {
        statement = parse(tokenize(&listing)?)?;
    }
    let mut walk = walk::Walk::default();
    let query = readable(&mut statement)?;
    if let ControlFlow::Break(error) = query.visit(&mut walk) {
        return Err(error);
    }
    // Only now, for a text that is no deeper than the walk allows.
    dialect::translate(query, &dialect::typed(&tokens, sql))?;
    // What was said in other words may be deeper.
    match query.visit(&mut walk::Walk::default()) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(Checked { statement, placeholders: walk.placeholders }),
    }
}

/// The query that answers a `SHOW`, or a `DESCRIBE` of a table.
fn listing(statement: &Statement) -> Result<Option<String>> {
    match statement {
        Statement::Statement(inner) => dialect::listing(inner),
        _ => Ok(None),
    }
}

/// Whether it is about how a query is run, and not about events.
pub(crate) fn explains(statement: &Statement) -> bool {
    matches!(statement, Statement::Explain(_))
}

/// The query whose columns a `DESCRIBE` asks for.
pub(crate) fn described(statement: &Statement) -> Option<Statement> {
    let Statement::Statement(inner) = statement else { return None };
    match &**inner {
        ast::Statement::Explain { statement, .. } => Some(Statement::Statement(statement.clone())),
        _ => None,
    }
}

fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&dialect::Dialect, sql)
        .tokenize_with_location()
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("sql: {error}")))?;
    let count = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
    if count > SQL_TOKENS_MAX {
        return Err(over("tokens", count, SQL_TOKENS_MAX));
    }
    Ok(tokens)
}

fn parse(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let statements = DFParserBuilder::new(tokens)
        .with_dialect(&dialect::Dialect)
        .with_recursion_limit(SQL_NESTING_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(parse_error)?;
    let count = statements.len();
    let mut statements = statements.into_iter();
    match (statements.next(), count) {
        (Some(statement), 1) => Ok(statement),
        _ => Err(refused(&format!("{count} statements in one request; write one, without ; in between"))),
    }
}

fn parse_error(error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::SQL(cause, _) if matches!(**cause, ParserError::RecursionLimitExceeded) => {
            Error::new(
                ErrorKind::Limit,
                format!(
                    "sql is nested more than {SQL_NESTING_MAX} deep; fewer parentheses or subqueries help"
                ),
            )
        }
        DataFusionError::SQL(cause, _) => match &**cause {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
                Error::new(ErrorKind::Invalid, format!("sql: {}", shown(text)))
            }
            ParserError::RecursionLimitExceeded => Error::new(ErrorKind::Limit, "sql is nested too deep"),
        },
        other => Error::new(ErrorKind::Invalid, format!("sql: {}", other.strip_backtrace())),
    }
}

/// What the parser says, without its own names of things.
fn shown(text: &str) -> String {
    const HINTS: [(&str, &str); 6] = [
        (
            "COLLATE",
            "COLLATE is not available: text is compared byte by byte; write lower(…) to compare whatever the case",
        ),
        ("ISNULL", "write IS NULL"),
        ("TABLE", "write SELECT * FROM events"),
        (
            "EXCLUDE",
            "EXCLUDE in a window is not available: write … OVER (…) - col to leave the row itself out",
        ),
        ("USING", "ORDER BY … USING; write ASC or DESC"),
        (
            "SYMMETRIC",
            "BETWEEN takes two values with AND between; for SYMMETRIC write least(a, b) AND greatest(a, b)",
        ),
    ];
    let (said, place) =
        text.split_once(" at Line: ").map_or((text, None), |(said, place)| (said, Some(place)));
    let said = match said.split_once("No infix parser for token Word(Word { value: \"") {
        Some((_, rest)) => format!("'{}' cannot stand here", rest.split('"').next().unwrap_or_default()),
        None => said.lines().next().unwrap_or_default().to_string(),
    };
    let hint = HINTS.iter().find(|(word, _)| {
        said.ends_with(&format!("found: {word}"))
            || said.starts_with(&format!("'{word}'"))
            || said.starts_with("Expected: AND") && *word == "SYMMETRIC"
    });
    let hint = hint.map(|(_, hint)| format!(" ({hint})")).unwrap_or_default();
    let place = place.map(|place| format!(" at Line: {place}")).unwrap_or_default();
    format!("{said}{hint}{place}")
}

/// The query inside, or an error that names the kind of statement.
fn readable(statement: &mut Statement) -> Result<&mut ast::Statement> {
    match statement {
        Statement::Statement(inner) => {
            if !matches!(**inner, ast::Statement::Query(_)) && !describes_query(inner) {
                return Err(refused(&not_readable(inner)));
            }
            match &mut **inner {
                ast::Statement::Explain { statement, .. } => Ok(statement),
                query => Ok(query),
            }
        }
        Statement::Explain(explain) => match &mut *explain.statement {
            Statement::Statement(inner) if matches!(**inner, ast::Statement::Query(_)) => Ok(inner),
            _ => Err(refused("EXPLAIN takes a query; write EXPLAIN SELECT …")),
        },
        Statement::CreateExternalTable(_) => {
            Err(refused("CREATE EXTERNAL TABLE is not a read-only query; write a SELECT"))
        }
        Statement::CopyTo(_) => {
            Err(refused("COPY is not a read-only query; write the SELECT and choose a format of the answer"))
        }
        Statement::Reset(_) => Err(refused("RESET is not a read-only query; write a SELECT")),
    }
}

/// `DESCRIBE SELECT …`.
fn describes_query(statement: &ast::Statement) -> bool {
    match statement {
        ast::Statement::Explain {
            describe_alias: DescribeAlias::Describe | DescribeAlias::Desc,
            analyze: false,
            verbose: false,
            query_plan: false,
            estimate: false,
            statement,
            format: None,
            options: None,
        } => matches!(**statement, ast::Statement::Query(_)),
        _ => false,
    }
}

/// Why a statement is no question, and what to write if it is close to one.
fn not_readable(statement: &ast::Statement) -> String {
    let text = statement.to_string();
    let is = |start: &str| text.to_uppercase().starts_with(start);
    match () {
        () if is("SET TIME") => "times are in UTC; write t AT TIME ZONE 'Europe/Berlin'".to_string(),
        () if is("SET") => "settings cannot be changed in a query; leave SET out".to_string(),
        () if is("SHOW") => "this cannot be shown; write SHOW TABLES or SHOW COLUMNS FROM events".to_string(),
        () => format!("{} is not a read-only query; write a SELECT", first_word(statement)),
    }
}

fn first_word(statement: &ast::Statement) -> String {
    statement.to_string().split([' ', '(']).next().unwrap_or_default().to_string()
}

fn over(what: &str, value: usize, most: usize) -> Error {
    Error::new(ErrorKind::Limit, format!("sql has {value} {what}; the most is {most}"))
}

#[cfg(test)]
mod tests;
