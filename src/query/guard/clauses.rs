//! Which clauses of a query may be planned: an allow-list over every field of the syntax tree.
//!
//! In: one node of the tree. Out: nothing, or a refusal that says what to write instead. Guaranteed: a clause that the planner
//! would parse and then not carry out does not pass. Every node is taken apart with all of its fields, so that a new version
//! of the parser with a new clause does not compile until somebody has decided about it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause, NamedWindowDefinition,
    NamedWindowExpr, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, Select, SelectFlavor,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, TableAlias,
    TableFactor, TableWithJoins, Values, Visit, WildcardAdditionalOptions, WindowSpec, With,
    visit_expressions,
};

use super::{
    super::{functions::names, refusal::refused},
    names::{distinct_on_columns, group_by_columns, order_by_columns},
    walk::{last_part, stop},
};
use crate::error::Error;

type Allowed = ControlFlow<Error>;

/// Refuses for the first reason that holds.
pub(super) fn refuse_any<const N: usize>(reasons: [(bool, &str); N]) -> Allowed {
    match reasons.iter().find(|(holds, _)| *holds) {
        Some((_, reason)) => stop(refused(reason)),
        None => ControlFlow::Continue(()),
    }
}

/// A whole query: `WITH … SELECT … ORDER BY … LIMIT …`.
pub(super) fn query_allowed(query: &Query) -> Allowed {
    let Query {
        with,
        body,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    refuse_any([
        (!locks.is_empty(), "FOR UPDATE and FOR SHARE lock rows"),
        (for_clause.is_some(), "FOR XML and FOR JSON; choose a format of the answer instead"),
        (settings.is_some(), "SETTINGS cannot be changed in a query"),
        (format_clause.is_some(), "FORMAT is no clause; choose a format of the answer instead"),
        (!pipe_operators.is_empty(), "|> is not available; write a subquery: SELECT … FROM (SELECT …)"),
        (fetch.as_ref().is_some_and(|fetch| fetch.percent), "FETCH … PERCENT; write LIMIT with a number"),
        (
            fetch.as_ref().is_some_and(|fetch| fetch.with_ties),
            "FETCH … WITH TIES; write rank() OVER (ORDER BY …) in a subquery and filter by it",
        ),
        (fetch.is_some() && limit_clause.as_ref().is_some_and(has_limit), "LIMIT and FETCH in one query"),
    ])?;
    if let Some(With { with_token: _, recursive, cte_tables }) = with {
        refuse_any([(
            *recursive,
            "WITH RECURSIVE has no bound; join the table with itself once for each step, as FROM events a JOIN events b ON b.correlation_id = a.correlation_id",
        )])?;
        for Cte { alias, query: _, from, materialized, closing_paren_token: _ } in cte_tables {
            refuse_any([
                (from.is_some(), "FROM after a WITH query"),
                (
                    materialized.is_some(),
                    "MATERIALIZED and NOT MATERIALIZED; the engine decides, leave the word out",
                ),
            ])?;
            alias_allowed(alias)?;
        }
    }
    set_allowed(body)?;
    if let Some(OrderBy { kind, interpolate }) = order_by {
        refuse_any([(interpolate.is_some(), "INTERPOLATE after ORDER BY")])?;
        match kind {
            OrderByKind::All(OrderByOptions { asc: _, nulls_first: _ }) => {
                return stop(refused("ORDER BY ALL; name the columns"));
            }
            OrderByKind::Expressions(expressions) => {
                order_allowed(expressions)?;
                order_by_columns(expressions)?;
            }
        }
    }
    match limit_clause {
        None => ControlFlow::Continue(()),
        Some(LimitClause::LimitOffset { limit: _, offset: _, limit_by }) => refuse_any([(
            !limit_by.is_empty(),
            "LIMIT … BY; write row_number() OVER (PARTITION BY …) in a subquery and filter by it",
        )]),
        Some(LimitClause::OffsetCommaLimit { offset: _, limit: _ }) => {
            stop(refused("LIMIT a, b; write LIMIT b OFFSET a"))
        }
    }
}

fn has_limit(clause: &LimitClause) -> bool {
    match clause {
        LimitClause::LimitOffset { limit, offset: _, limit_by: _ } => limit.is_some(),
        LimitClause::OffsetCommaLimit { .. } => true,
    }
}

/// The body of a query; queries inside of it are visited by themselves.
fn set_allowed(body: &SetExpr) -> Allowed {
    let mut open = vec![body];
    while let Some(body) = open.pop() {
        match body {
            // Visited by themselves.
            SetExpr::Select(_) | SetExpr::Query(_) => {}
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                operation_allowed(*op, *set_quantifier)?;
                open.extend([&**left, &**right]);
            }
            SetExpr::Values(Values { explicit_row, value_keyword, rows: _ }) => {
                refuse_any([(*explicit_row || *value_keyword, "VALUES takes rows as (1, 'a'), (2, 'b')")])?;
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return stop(refused("only SELECT and VALUES stand inside a query"));
            }
            SetExpr::Table(table) => {
                let name = table.table_name.as_deref().unwrap_or("events");
                return stop(refused(&format!("TABLE {name}; write SELECT * FROM {name}")));
            }
        }
    }
    ControlFlow::Continue(())
}

fn operation_allowed(operator: SetOperator, quantifier: SetQuantifier) -> Allowed {
    let is_all = matches!(quantifier, SetQuantifier::All);
    let by_name = match quantifier {
        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => true,
        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => false,
    };
    let name = match operator {
        SetOperator::Union => None,
        SetOperator::Except => Some("EXCEPT"),
        SetOperator::Intersect => Some("INTERSECT"),
        SetOperator::Minus => return stop(refused("MINUS; write EXCEPT")),
    };
    match name {
        Some(name) if is_all => stop(refused(&format!(
            "{name} ALL; count the rows of both sides with GROUP BY, or write {name}, which drops repeats"
        ))),
        Some(name) if by_name => stop(refused(&format!("{name} BY NAME; list the columns of both sides"))),
        _ => ControlFlow::Continue(()),
    }
}

/// One `SELECT`; its tables, too.
pub(super) fn select_allowed(select: &Select) -> Allowed {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    refuse_any([
        (!optimizer_hints.is_empty(), "hints in comments (/*+ … */) have no effect; leave them out"),
        (
            select_modifiers.as_ref().is_some_and(|modifiers| modifiers.is_any_set()),
            "modifiers between SELECT and the columns have no effect; leave them out",
        ),
        (top.is_some(), "TOP; write LIMIT at the end"),
        (exclude.is_some(), "EXCLUDE after the columns; write SELECT * EXCLUDE (…)"),
        (into.is_some(), "SELECT INTO creates a table"),
        (!lateral_views.is_empty(), "LATERAL VIEW; write unnest(…) among the columns"),
        (prewhere.is_some(), "PREWHERE; write WHERE"),
        (!connect_by.is_empty(), "CONNECT BY is not available"),
        (!cluster_by.is_empty(), "CLUSTER BY; write ORDER BY"),
        (!distribute_by.is_empty(), "DISTRIBUTE BY has no meaning here; leave it out"),
        (!sort_by.is_empty(), "SORT BY; write ORDER BY"),
        (value_table_mode.is_some(), "SELECT AS VALUE and SELECT AS STRUCT are not available"),
    ])?;
    match flavor {
        SelectFlavor::Standard => {}
        SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect => {
            return stop(refused("FROM before SELECT; write SELECT … FROM …"));
        }
    }
    match distinct {
        None | Some(Distinct::All | Distinct::Distinct) => {}
        Some(Distinct::On(expressions)) => distinct_on_columns(expressions)?,
    }
    match group_by {
        GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => refuse_any([(
            !modifiers.is_empty(),
            "WITH ROLLUP, WITH CUBE and WITH TOTALS; write GROUP BY ROLLUP (…) or GROUP BY CUBE (…)",
        )])?,
    }
    group_by_columns(group_by)?;
    for NamedWindowDefinition(_, window) in named_window {
        match window {
            NamedWindowExpr::NamedWindow(other) => {
                return stop(refused(&format!(
                    "a window that is only a name for '{}'; use that name",
                    other.value
                )));
            }
            NamedWindowExpr::WindowSpec(window) => window_allowed(window)?,
        }
    }
    projection.iter().try_for_each(item_allowed)?;
    from.iter().try_for_each(joins_allowed)
}

fn item_allowed(item: &SelectItem) -> Allowed {
    match item {
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { expr: _, alias: _ } => {
            ControlFlow::Continue(())
        }
        SelectItem::ExprWithAliases { expr: _, aliases: _ } => {
            stop(refused("several names for one column; write one name after AS"))
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
            stop(refused("(…).*; name the members that you want"))
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options)
        | SelectItem::Wildcard(options) => wildcard_allowed(options),
    }
}

pub(super) fn wildcard_allowed(options: &WildcardAdditionalOptions) -> Allowed {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike: _,
        opt_exclude: _,
        opt_except: _,
        opt_replace: _,
        opt_rename,
        opt_alias,
    } = options;
    refuse_any([
        (opt_rename.is_some(), "* RENAME; list the columns with AS"),
        (opt_alias.is_some(), "* has no name; leave AS out"),
    ])
}

fn joins_allowed(table: &TableWithJoins) -> Allowed {
    let TableWithJoins { relation: _, joins } = table;
    for Join { relation: _, global, join_operator } in joins {
        refuse_any([(*global, "GLOBAL JOIN; leave GLOBAL out")])?;
        join_allowed(join_operator)?;
    }
    ControlFlow::Continue(())
}

fn join_allowed(join: &JoinOperator) -> Allowed {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => refuse_any([(
            matches!(constraint, JoinConstraint::None),
            "JOIN without ON or USING; write what belongs together, or CROSS JOIN",
        )]),
        // The planner takes the merged column from the left side, where it is NULL for rows of the right side only.
        JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => refuse_any([
            (
                matches!(constraint, JoinConstraint::None),
                "JOIN without ON or USING; write what belongs together, or CROSS JOIN",
            ),
            (
                matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural),
                "RIGHT and FULL JOIN with USING or NATURAL; write ON a.id = b.id and coalesce(a.id, b.id)",
            ),
        ]),
        JoinOperator::CrossJoin(constraint) => refuse_any([(
            !matches!(constraint, JoinConstraint::None),
            "CROSS JOIN takes no condition; write JOIN … ON",
        )]),
        JoinOperator::CrossApply | JoinOperator::OuterApply => {
            stop(refused("APPLY; write CROSS JOIN LATERAL or LEFT JOIN LATERAL … ON true"))
        }
        JoinOperator::AsOf { match_condition: _, constraint: _ } => {
            stop(refused("ASOF JOIN; join by an inequality and keep the newest with row_number()"))
        }
        JoinOperator::Semi(_) | JoinOperator::Anti(_) => {
            stop(refused("SEMI JOIN and ANTI JOIN; write WHERE EXISTS (…) and WHERE NOT EXISTS (…)"))
        }
        JoinOperator::StraightJoin(_) => stop(refused("STRAIGHT_JOIN; write JOIN")),
        JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
            stop(refused("ARRAY JOIN; write unnest(…) among the columns"))
        }
    }
}

/// One table of a `FROM`, joined ones as well.
pub(super) fn table_allowed(table: &TableFactor) -> Allowed {
    const SAMPLE: &str =
        "TABLESAMPLE would answer with all rows; write WHERE random() < 0.1 for about a tenth";
    const LATERAL_UNNEST: &str = "unnest of a column in FROM; write SELECT unnest(col) AS item, … FROM events, in a subquery if you filter by it";
    const ORDINALITY: &str = "WITH ORDINALITY; write row_number() OVER () beside unnest(…) in a subquery";
    let alias = match table {
        TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            if args.is_some() {
                return stop(table_function(&last_part(name)));
            }
            if alias.is_some() && last_part(name).eq_ignore_ascii_case("only") {
                return stop(refused("FROM ONLY; the table has no others below it, leave ONLY out"));
            }
            refuse_any([
                (sample.is_some(), SAMPLE),
                (*with_ordinality, ORDINALITY),
                (!with_hints.is_empty() || !index_hints.is_empty(), "hints after a table; leave them out"),
                (version.is_some(), "older versions of a table; filter by received_at instead"),
                (!partitions.is_empty(), "PARTITION (…) after a table; filter by day instead"),
                (json_path.is_some(), "a path after a table; write -> or ->> on a column"),
            ])?;
            alias
        }
        TableFactor::Derived { lateral: _, subquery: _, alias, sample } => {
            refuse_any([(sample.is_some(), SAMPLE)])?;
            alias
        }
        // LATERAL unnest(…), which `dialect` says as unnest(…): that is lateral already.
        TableFactor::Function { lateral: _, name, args, with_ordinality, alias }
            if name.to_string().eq_ignore_ascii_case("unnest") =>
        {
            refuse_any([(*with_ordinality, ORDINALITY), (names_columns(args), LATERAL_UNNEST)])?;
            alias
        }
        TableFactor::Function { lateral: _, name, args: _, with_ordinality: _, alias: _ } => {
            return stop(table_function(&last_part(name)));
        }
        TableFactor::TableFunction { expr: _, alias: _ } => {
            return stop(refused("table functions are not available"));
        }
        TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
            refuse_any([
                (*with_ordinality, ORDINALITY),
                (*with_offset || with_offset_alias.is_some(), "WITH OFFSET after UNNEST"),
                (names_columns(array_exprs), LATERAL_UNNEST),
            ])?;
            alias
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            joins_allowed(table_with_joins)?;
            alias
        }
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
            return stop(refused("JSON_TABLE; write json_get_array(…) with unnest, or ->>"));
        }
        TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => {
            return stop(refused("PIVOT and UNPIVOT; write count(*) FILTER (WHERE …) for each column"));
        }
        TableFactor::MatchRecognize { .. } => {
            return stop(refused("MATCH_RECOGNIZE; write window functions"));
        }
        TableFactor::XmlTable { .. } => return stop(refused("XMLTABLE is not available")),
        TableFactor::SemanticView { .. } => return stop(refused("SEMANTIC_VIEW is not available")),
    };
    alias.iter().try_for_each(alias_allowed)
}

/// Whether an expression needs another table of the same `FROM`.
fn names_columns(expressions: &impl Visit) -> bool {
    let is_column = |expression: &Expr| match expression {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(expressions, is_column).is_break()
}

fn table_function(name: &str) -> Error {
    refused(&match names::hint(name) {
        Some(hint) => format!("table function '{name}'; {hint}"),
        None => format!("table function '{name}' is not available"),
    })
}

fn alias_allowed(alias: &TableAlias) -> Allowed {
    let TableAlias { explicit: _, name: _, columns, at } = alias;
    refuse_any([
        (columns.iter().any(|column| column.data_type.is_some()), "types after an alias; use CAST"),
        (at.is_some(), "AT after an alias"),
    ])
}

/// `ORDER BY` of a query, a window or an aggregate.
pub(super) fn order_allowed(order: &[OrderByExpr]) -> Allowed {
    for OrderByExpr { expr: _, options: OrderByOptions { asc: _, nulls_first: _ }, with_fill } in order {
        refuse_any([(with_fill.is_some(), "WITH FILL after ORDER BY; join with a list of the values")])?;
    }
    ControlFlow::Continue(())
}

/// What stands in `OVER (…)` or `WINDOW w AS (…)`.
pub(super) fn window_allowed(window: &WindowSpec) -> Allowed {
    let WindowSpec { window_name, partition_by: _, order_by, window_frame: _ } = window;
    refuse_any([(
        window_name.is_some(),
        "a window that adds to a named one; write the whole window: OVER (PARTITION BY … ORDER BY …)",
    )])?;
    order_allowed(order_by)
}
