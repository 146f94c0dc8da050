//! SQL as analysts write it, in the words that the planner knows.
//!
//! In: a statement that the guard has let through. Out: a statement that means the same, in which columns without a name have the
//! text that was typed, `SHOW` is a query, and operators, types and functions that the planner lacks, or means otherwise than
//! PostgreSQL, are said with what it has; rows and written lists are compared value by value. Guaranteed: only the form of a question changes, never whose events it sees.

mod columns;
mod conditions;
mod copies;
mod functions;
mod lists;
mod membership;
mod operators;
mod order;
mod patterns;
mod rows;
mod show;
mod syntax;
mod tables;
mod types;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{
        self, BinaryOperator, CastKind, DataType, Expr, Fetch, Function, FunctionArg, FunctionArgExpr,
        FunctionArgumentList, FunctionArguments, Ident, LimitClause, ObjectName, Query, Select, TableFactor,
        Value, VisitMut, VisitorMut,
    },
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

pub(crate) use columns::Typed;
pub(crate) use show::listing;
pub(crate) use syntax::Dialect;

use self::copies::Copies;
use crate::error::{Error, Result};

/// Says `statement` in the planner's words; `typed` is the text of its columns.
pub(crate) fn translate(statement: &mut ast::Statement, typed: &Typed) -> Result<()> {
    match statement.visit(&mut Translation { typed, copies: Copies::default() }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The text of each column of each `SELECT`, from the tokens of a statement.
pub(crate) fn typed(tokens: &[TokenWithSpan], sql: &str) -> Typed {
    Typed::read(tokens, sql)
}

/// `trim(trailing FROM a)` as `trim(trailing ' ' FROM a)`, which the parser reads.
pub(crate) fn complete(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let shown: Vec<(usize, &Token)> = tokens
        .iter()
        .map(|token| &token.token)
        .enumerate()
        .filter(|(_, token)| !matches!(token, Token::Whitespace(_)))
        .collect();
    let keyword = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let is_incomplete = |four: &&[(usize, &Token)]| {
        keyword(four[0].1) == Keyword::TRIM
            && *four[1].1 == Token::LParen
            && matches!(keyword(four[2].1), Keyword::LEADING | Keyword::TRAILING | Keyword::BOTH)
            && keyword(four[3].1) == Keyword::FROM
    };
    let places: Vec<usize> = shown.windows(4).filter(is_incomplete).map(|four| four[3].0).collect();
    for place in places.into_iter().rev() {
        let span = tokens[place].span;
        tokens.insert(place, TokenWithSpan { token: Token::SingleQuotedString(" ".to_string()), span });
    }
    tokens
}

struct Translation<'a> {
    typed: &'a Typed,
    copies: Copies,
}

impl VisitorMut for Translation<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        fetch_as_limit(query);
        went_on(order::names_are_of_tables(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        columns::order_by_names(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        tables::translate(table);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        operators::bind_sign(expression);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        self.typed.name(select);
        columns::fold_replaced(select);
        conditions::of_select(select);
        went_on(membership::of_select(select))
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        went_on(self.translate(expression))
    }
}

impl Translation<'_> {
    fn translate(&mut self, expression: &mut Expr) -> Result<()> {
        rows::translate(expression, &mut self.copies)?;
        match expression {
            Expr::Function(_) => functions::translate(expression, &mut self.copies),
            Expr::Cast { .. } | Expr::TypedString(_) => types::translate(expression),
            Expr::BinaryOp { op: BinaryOperator::QuestionAnd | BinaryOperator::QuestionPipe, .. } => {
                operators::has_keys(expression, &mut self.copies)
            }
            Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                lists::translate(expression, &mut self.copies)?;
                operators::translate(expression)
            }
            _ => operators::translate(expression),
        }
    }
}

fn went_on(translated: Result<()>) -> ControlFlow<Error> {
    match translated {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// `FETCH FIRST 5 ROWS ONLY` is `LIMIT 5`.
fn fetch_as_limit(query: &mut Query) {
    let Some(Fetch { with_ties: _, percent: _, quantity }) = query.fetch.take() else { return };
    let rows = quantity.unwrap_or_else(|| number(1));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => *limit = Some(rows),
        clause => {
            *clause =
                Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() });
        }
    }
}

/// Takes an expression out, to put it into another.
fn take(expression: &mut Expr) -> Expr {
    std::mem::replace(expression, Expr::value(Value::Null))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(Function {
        name: ObjectName::from(Ident::new(name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let operation = Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
    Expr::Nested(Box::new(operation))
}

fn cast(expression: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expression), data_type, array: false, format: None }
}

fn number(value: i64) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}
