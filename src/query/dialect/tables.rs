//! Tables of a `FROM` that the planner names otherwise than PostgreSQL.

use datafusion::sql::sqlparser::ast::{
    FunctionArg, FunctionArgExpr, Ident, TableAlias, TableAliasColumnDef, TableFactor,
};

/// `LATERAL unnest(a) AS u (x)` is `unnest(a) AS u (x)`, and `unnest(a) AS x` names its column, too.
pub(super) fn translate(table: &mut TableFactor) {
    if let TableFactor::Function { name, args, alias, .. } = table
        && name.to_string().eq_ignore_ascii_case("unnest")
    {
        let array_exprs = args.drain(..).filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
            _ => None,
        });
        *table = TableFactor::UNNEST {
            array_exprs: array_exprs.collect(),
            alias: alias.take(),
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        };
    }
    let TableFactor::UNNEST { alias, array_exprs, .. } = table else { return };
    if array_exprs.len() != 1 {
        return;
    }
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new("unnest"),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}
