//! Which expressions may be planned: an allow-list over every kind of expression and every operator.
//!
//! In: one expression, not its parts, which are visited by themselves. Out: nothing, or a refusal that says what to write instead.
//! Guaranteed: as [`super::clauses`]. What PostgreSQL has and the planner does not, and what can be said in other words,
//! `dialect` says in other words afterwards; both must agree on what that is.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CeilFloorKind, DateTimeField, DuplicateTreatment, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Interval,
    NullTreatment, Subscript, TypedString, UnaryOperator, Value, WindowType,
};

use super::{
    super::{
        functions::names,
        refusal::{refused, text_of},
    },
    REFUSED_FUNCTIONS,
    clauses::{order_allowed, refuse_any, wildcard_allowed, window_allowed},
    types::type_allowed,
    walk::{last_part, stop},
};
use crate::error::Error;

type Allowed = ControlFlow<Error>;

const GO_ON: Allowed = ControlFlow::Continue(());

/// Whether one expression may be planned.
pub(super) fn expression_allowed(expression: &Expr) -> Allowed {
    match expression {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsDistinctFrom(_, _)
        | Expr::IsNotDistinctFrom(_, _)
        | Expr::Nested(_)
        | Expr::Subquery(_)
        | Expr::GroupingSets(_)
        | Expr::Cube(_)
        | Expr::Rollup(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Wildcard(_)
        | Expr::QualifiedWildcard(_, _)
        | Expr::Map(_)
        | Expr::Dictionary(_)
        | Expr::Named { expr: _, name: _ }
        | Expr::Struct { values: _, fields: _ }
        | Expr::Lambda(_)
        | Expr::InList { expr: _, list: _, negated: _ }
        | Expr::InSubquery { expr: _, subquery: _, negated: _ }
        | Expr::Between { expr: _, negated: _, low: _, high: _ }
        | Expr::Exists { subquery: _, negated: _ }
        | Expr::Position { expr: _, r#in: _ }
        | Expr::Overlay { expr: _, overlay_what: _, overlay_from: _, overlay_for: _ }
        | Expr::AtTimeZone { timestamp: _, time_zone: _ } => GO_ON,
        Expr::Value(value) => value_allowed(&value.value),
        Expr::CompoundFieldAccess { root: _, access_chain } => access_chain.iter().try_for_each(step_allowed),
        Expr::BinaryOp { left, op, right: _ } => {
            refuse_any([(
                is_arithmetic(op) && is_sign(left),
                "@, ~, |/ and ||/ before a sum; write what they belong to in parentheses: (@ a) + b or @ (a + b)",
            )])?;
            operator_allowed(op)
        }
        Expr::UnaryOp { op, expr: _ } => unary_allowed(*op),
        Expr::AnyOp { left: _, compare_op, right, is_some: _ } => {
            refuse_any([(
                is_subquery(right) && *compare_op != BinaryOperator::Eq,
                "a comparison with ANY (SELECT …); write < (SELECT max(…) …) or > (SELECT min(…) …), or EXISTS (…)",
            )])?;
            operator_allowed(compare_op)
        }
        Expr::AllOp { left: _, compare_op, right } => {
            refuse_any([(
                is_subquery(right) && *compare_op != BinaryOperator::NotEq,
                "a comparison with ALL (SELECT …); write >= (SELECT max(…) …) or <= (SELECT min(…) …)",
            )])?;
            operator_allowed(compare_op)
        }
        Expr::Like { negated: _, any, expr: _, pattern, escape_char }
        | Expr::ILike { negated: _, any, expr: _, pattern, escape_char } => refuse_any([
            (*any, "LIKE ANY; write col LIKE 'a%' OR col LIKE 'b%'"),
            (
                escape_char.is_some() && text_of(pattern).is_none(),
                "ESCAPE after a pattern that is no constant; escape with \\ in the pattern",
            ),
        ]),
        Expr::SimilarTo { negated: _, expr: _, pattern, escape_char: _ } => refuse_any([(
            text_of(pattern).is_none(),
            "SIMILAR TO with a pattern that is no constant; write col ~ '^(?:…)$'",
        )]),
        Expr::Cast { kind: _, expr: _, data_type, array, format } => {
            refuse_any([
                (*array, "CAST to ARRAY; write CAST(… AS text[])"),
                (format.is_some(), "CAST with FORMAT; write to_char, to_date or to_timestamp"),
            ])?;
            type_allowed(data_type)
        }
        Expr::TypedString(TypedString { data_type, value: _, uses_odbc_syntax }) => {
            refuse_any([(*uses_odbc_syntax, "{d '…'}; write date '…' or timestamp '…'")])?;
            type_allowed(data_type)
        }
        Expr::Extract { field, syntax: _, expr: _ } => field_allowed(field),
        Expr::Ceil { expr: _, field } | Expr::Floor { expr: _, field } => refuse_any([(
            !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)),
            "CEIL and FLOOR take a number only; write date_trunc('hour', …) or round(…, 2)",
        )]),
        Expr::Substring { expr: _, substring_from: _, substring_for: _, special: _, shorthand: _ } => GO_ON,
        Expr::Trim { expr: _, trim_where: _, trim_what: _, trim_characters } => refuse_any([(
            trim_characters.as_ref().is_some_and(|characters| characters.len() > 1),
            "TRIM takes one text of letters: trim(both 'xy' from col)",
        )]),
        Expr::Interval(interval) => interval_allowed(interval),
        Expr::Case { case_token: _, end_token: _, operand: _, conditions, else_result: _ } => {
            for CaseWhen { condition: _, result: _ } in conditions {}
            GO_ON
        }
        Expr::Function(function) => function_allowed(function),
        Expr::JsonAccess { .. } => stop(refused("a:b; write a -> 'b' or a ->> 'b'")),
        Expr::IsNormalized { .. } => {
            stop(refused("IS NORMALIZED is not available; leave it out: text is kept as it was sent"))
        }
        Expr::InUnnest { .. } => stop(refused("IN UNNEST (…); write = ANY (…) or array_has(list, value)")),
        Expr::RLike { .. } => stop(refused("RLIKE and REGEXP; write col ~ 'pattern'")),
        Expr::Convert { .. } => stop(refused("CONVERT; write CAST(… AS …)")),
        Expr::Collate { .. } => stop(refused(
            "COLLATE; text is compared byte by byte, as COLLATE \"C\": write lower(…) to compare whatever the case",
        )),
        Expr::Prefixed { .. } => stop(refused("a text with a prefix; write '…' or E'…'")),
        Expr::MatchAgainst { .. } => stop(refused("MATCH … AGAINST; write has_words(col, 'words')")),
        Expr::OuterJoin(_) => stop(refused("(+); write LEFT JOIN … ON")),
        Expr::Prior(_) => stop(refused("PRIOR is not available; write a join")),
        Expr::MemberOf(_) => stop(refused("MEMBER OF; write array_has(list, value)")),
    }
}

fn is_arithmetic(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::PGExp
    )
}

/// Signs that bind less than arithmetic in PostgreSQL, and more for the parser.
fn is_sign(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::UnaryOp {
            op: UnaryOperator::PGAbs
                | UnaryOperator::BitwiseNot
                | UnaryOperator::PGSquareRoot
                | UnaryOperator::PGCubeRoot,
            ..
        }
    )
}

fn is_subquery(expression: &Expr) -> bool {
    matches!(expression, Expr::Subquery(_))
}

fn value_allowed(value: &Value) -> Allowed {
    match value {
        Value::Number(_, _)
        | Value::SingleQuotedString(_)
        | Value::DollarQuotedString(_)
        | Value::EscapedStringLiteral(_)
        | Value::UnicodeStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null
        | Value::Placeholder(_) => GO_ON,
        Value::HexStringLiteral(_) => {
            stop(refused("a number or bytes in hexadecimal; write 31 or decode('1f', 'hex')"))
        }
        Value::NationalStringLiteral(_)
        | Value::TripleSingleQuotedString(_)
        | Value::TripleDoubleQuotedString(_)
        | Value::SingleQuotedByteStringLiteral(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_)
        | Value::SingleQuotedRawStringLiteral(_)
        | Value::DoubleQuotedRawStringLiteral(_)
        | Value::TripleSingleQuotedRawStringLiteral(_)
        | Value::TripleDoubleQuotedRawStringLiteral(_)
        | Value::QuoteDelimitedStringLiteral(_)
        | Value::NationalQuoteDelimitedStringLiteral(_)
        | Value::DoubleQuotedString(_) => stop(refused("a text of this form; write '…', E'…' or $$…$$")),
    }
}

fn step_allowed(step: &AccessExpr) -> Allowed {
    match step {
        AccessExpr::Dot(_) | AccessExpr::Subscript(Subscript::Index { index: _ }) => GO_ON,
        AccessExpr::Subscript(Subscript::Slice { lower_bound: _, upper_bound: _, stride }) => {
            refuse_any([(stride.is_some(), "a slice with a step; write [from:to]")])
        }
    }
}

fn operator_allowed(operator: &BinaryOperator) -> Allowed {
    let instead = match operator {
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::StringConcat
        | BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::BitwiseOr
        | BinaryOperator::BitwiseAnd
        | BinaryOperator::PGBitwiseXor
        | BinaryOperator::PGBitwiseShiftLeft
        | BinaryOperator::PGBitwiseShiftRight
        | BinaryOperator::PGExp
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch
        | BinaryOperator::PGNotLikeMatch
        | BinaryOperator::PGNotILikeMatch
        | BinaryOperator::Arrow
        | BinaryOperator::LongArrow
        | BinaryOperator::Question
        // Said in other words by `dialect`.
        | BinaryOperator::PGStartsWith
        | BinaryOperator::PGOverlap
        | BinaryOperator::HashArrow
        | BinaryOperator::HashLongArrow
        | BinaryOperator::QuestionAnd
        | BinaryOperator::QuestionPipe
        | BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt => return GO_ON,
        BinaryOperator::Overlaps => "write a_start < b_end AND b_start < a_end",
        BinaryOperator::AtQuestion | BinaryOperator::AtAt => "JSON paths are not available; write -> and ->> with comparisons",
        BinaryOperator::HashMinus => "JSON is not changed in a query; write -> or ->> for the members that you want",
        BinaryOperator::Spaceship => "write IS NOT DISTINCT FROM",
        BinaryOperator::Xor => "write <> between two conditions",
        BinaryOperator::DuckIntegerDivide | BinaryOperator::MyIntegerDivide => "write / between whole numbers, or floor(a / b)",
        BinaryOperator::BitwiseXor => "write #",
        BinaryOperator::Match | BinaryOperator::Regexp => "write col ~ 'pattern'",
        BinaryOperator::PGCustomBinaryOperator(_) => "write the operator itself",
        BinaryOperator::Assignment => "write =",
        BinaryOperator::Custom(operator) if operator.ends_with(['-', '+']) => "write a blank before the sign: -> -1",
        BinaryOperator::Custom(_)
        | BinaryOperator::DoubleHash
        | BinaryOperator::LtDashGt
        | BinaryOperator::AndLt
        | BinaryOperator::AndGt
        | BinaryOperator::LtLtPipe
        | BinaryOperator::PipeGtGt
        | BinaryOperator::AndLtPipe
        | BinaryOperator::PipeAndGt
        | BinaryOperator::LtCaret
        | BinaryOperator::GtCaret
        | BinaryOperator::QuestionHash
        | BinaryOperator::QuestionDash
        | BinaryOperator::QuestionDashPipe
        | BinaryOperator::QuestionDoublePipe
        | BinaryOperator::At
        | BinaryOperator::TildeEq => "it is for types that are not available: leave it out",
    };
    stop(refused(&format!("operator {operator}; {instead}")))
}

fn unary_allowed(operator: UnaryOperator) -> Allowed {
    let instead = match operator {
        UnaryOperator::Plus
        | UnaryOperator::Minus
        | UnaryOperator::Not
        // Said in other words by `dialect`.
        | UnaryOperator::BitwiseNot
        | UnaryOperator::PGSquareRoot
        | UnaryOperator::PGCubeRoot
        | UnaryOperator::PGAbs => return GO_ON,
        UnaryOperator::PGPostfixFactorial | UnaryOperator::PGPrefixFactorial => "write factorial(n)",
        UnaryOperator::BangNot => "write NOT",
        UnaryOperator::AtDashAt
        | UnaryOperator::DoubleAt
        | UnaryOperator::Hash
        | UnaryOperator::QuestionDash
        | UnaryOperator::QuestionPipe => "it is for types that are not available: leave it out",
    };
    stop(refused(&format!("operator {operator}; {instead}")))
}

fn field_allowed(field: &DateTimeField) -> Allowed {
    let instead = match field {
        DateTimeField::Timezone
        | DateTimeField::TimezoneAbbr
        | DateTimeField::TimezoneHour
        | DateTimeField::TimezoneMinute
        | DateTimeField::TimezoneRegion => "times are in UTC, it would always be 0: write 0",
        DateTimeField::Julian => "write date_part('epoch', …) / 86400.0 + 2440587.5",
        DateTimeField::Date | DateTimeField::Datetime | DateTimeField::Time => {
            "write a cast: …::date, …::time"
        }
        DateTimeField::Week(Some(_)) => "weeks start on Monday: write extract(week from …)",
        _ => return GO_ON,
    };
    stop(refused(&format!("extract({field} …); {instead}")))
}

fn interval_allowed(interval: &Interval) -> Allowed {
    let Interval { value, leading_field: _, leading_precision, last_field, fractional_seconds_precision } =
        interval;
    if let Expr::Value(value) = &**value
        && let Value::Placeholder(name) = &value.value
    {
        return stop(refused(&format!("interval {name}; write {name} * interval '1 day'")));
    }
    refuse_any([(
        leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some(),
        "an interval of two units or with a precision; write interval '1 day 02:30:00'",
    )])
}

fn function_allowed(function: &Function) -> Allowed {
    let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } =
        function;
    let name = last_part(name).to_lowercase();
    if REFUSED_FUNCTIONS.contains(&name.as_str()) {
        return stop(refused(&format!(
            "function '{name}' is not available: its result has no bound; {}",
            instead_of(&name)
        )));
    }
    if let Some(hint) = names::hint(&name) {
        return stop(refused(&format!("function '{name}'; {hint}")));
    }
    refuse_any([
        (*uses_odbc_syntax, "{fn …}; write the function itself"),
        (
            !matches!(parameters, FunctionArguments::None),
            "parameters before the arguments of a function; write all as arguments",
        ),
    ])?;
    order_allowed(within_group)?;
    let mut orders = false;
    let mut distinct = false;
    let mut nulls = *null_treatment;
    match args {
        FunctionArguments::None => {}
        FunctionArguments::Subquery(_) if name == "array" => {
            return stop(refused("ARRAY(SELECT …); write (SELECT array_agg(col ORDER BY col) FROM …)"));
        }
        FunctionArguments::Subquery(_) => {
            return stop(refused(&format!("{name}(SELECT …); write {name}((SELECT …))")));
        }
        FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) => {
            distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
            for clause in clauses {
                match clause {
                    FunctionArgumentClause::IgnoreOrRespectNulls(given) => nulls = Some(*given),
                    FunctionArgumentClause::OrderBy(order) => {
                        orders = true;
                        order_allowed(order)?;
                    }
                    FunctionArgumentClause::Limit(_)
                    | FunctionArgumentClause::OnOverflow(_)
                    | FunctionArgumentClause::Having(_)
                    | FunctionArgumentClause::Separator(_)
                    | FunctionArgumentClause::JsonNullClause(_)
                    | FunctionArgumentClause::JsonReturningClause(_) => {
                        return stop(refused(&format!("'{clause}' inside of {name}(…); leave it out")));
                    }
                }
            }
            args.iter().try_for_each(argument_allowed)?;
        }
    }
    match over {
        None | Some(WindowType::NamedWindow(_)) => {}
        Some(WindowType::WindowSpec(window)) => window_allowed(window)?,
    }
    if !names::is_scalar(&name) {
        let ignores = nulls == Some(NullTreatment::IgnoreNulls);
        return refuse_any([(
            ignores && !takes_nulls(&name, over.is_some()),
            "IGNORE NULLS is for lag, lead, first_value, last_value and nth_value; \
             write FILTER (WHERE col IS NOT NULL), or WHERE",
        )]);
    }
    // The planner would leave these out without a word.
    let without_effect = [
        (distinct, "DISTINCT"),
        (orders, "ORDER BY"),
        (nulls.is_some(), "IGNORE NULLS or RESPECT NULLS"),
        (filter.is_some(), "FILTER"),
        (over.is_some(), "OVER"),
        (!within_group.is_empty(), "WITHIN GROUP"),
    ];
    match without_effect.iter().find(|(is_there, _)| *is_there) {
        Some((_, clause)) => stop(refused(&format!(
            "{clause} with {name}, which is no aggregate; write it with the aggregate around or inside"
        ))),
        None => GO_ON,
    }
}

/// What to write instead of one of [`REFUSED_FUNCTIONS`].
fn instead_of(name: &str) -> &'static str {
    match name {
        "lpad" => "write right('000000' || col, 6)",
        "rpad" => "write left(col || '      ', 6)",
        "repeat" => "write the text itself",
        "generate_series" | "range" => {
            "write VALUES (1), (2), (3), or GROUP BY date_trunc('hour', occurred_at) for times"
        }
        _ => "write ARRAY[…]",
    }
}

/// Whether the engine carries out `IGNORE NULLS`; with other functions it leaves it out.
fn takes_nulls(name: &str, is_window: bool) -> bool {
    match name {
        "lag" | "lead" | "first_value" | "last_value" | "nth_value" => true,
        "array_agg" => !is_window,
        _ => false,
    }
}

fn argument_allowed(argument: &FunctionArg) -> Allowed {
    let value = match argument {
        FunctionArg::Named { name: _, arg, operator: _ } | FunctionArg::Unnamed(arg) => arg,
        FunctionArg::ExprNamed { name: _, arg: _, operator: _ } => {
            return stop(refused(
                "a name of an argument that is an expression; write the arguments in their order",
            ));
        }
    };
    match value {
        FunctionArgExpr::Expr(_) | FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::Wildcard => GO_ON,
        FunctionArgExpr::WildcardWithOptions(options) => wildcard_allowed(options),
    }
}
