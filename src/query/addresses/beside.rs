//! Expressions in which something stands beside an address.
//!
//! In: an expression whose parts were rewritten, and where its columns come from. Out: the same, in which texts and lists beside an address are
//! canonical, and what goes by an order goes by that of addresses. Guaranteed: the type stays, and so do the values, but for other
//! spellings of addresses; what has no order beside an address is refused with what to write instead.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use arrow::{
    array::{AsArray, ListArray, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::{Column, plan_err, tree_node::Transformed},
    error::Result,
    functions_aggregate::first_last::first_value_udaf,
    logical_expr::{
        AggregateUDF, BinaryExpr, Expr, LogicalPlanBuilder, Operator, SortExpr, Subquery,
        expr::{AggregateFunctionParams, Between, Case, InList, InSubquery, ScalarFunction, SetComparison},
    },
    scalar::ScalarValue,
};

use super::{
    canonical,
    gives::{Sources, first_is_address, is_address},
    order,
    rule::rewritten,
};
use crate::query::{
    json::is_comparison,
    lists::{COMPARE_ALL, COMPARE_ANY},
};

/// Functions that compare their arguments, or give one of them: all become canonical if one is of addresses.
const ALIKE: [&str; 27] = [
    "coalesce",
    "nvl",
    "nvl2",
    "nullif",
    "make_array",
    "array_append",
    "array_prepend",
    "array_concat",
    "array_contains",
    "array_except",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_intersect",
    "array_position",
    "array_positions",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_replace",
    "array_replace_all",
    "array_replace_n",
    "array_union",
    "list_contains",
    "list_has",
    COMPARE_ANY,
    COMPARE_ALL,
];
/// Functions that sort texts, and what to write for addresses.
const SORT: [(&str, &str); 5] = [
    ("greatest", "CASE WHEN a > b THEN a ELSE b END"),
    ("least", "CASE WHEN a < b THEN a ELSE b END"),
    ("array_max", "max(ip_address)"),
    ("array_min", "min(ip_address)"),
    ("array_sort", "array_agg(ip_address ORDER BY ip_address)"),
];

/// Rewrites the expressions of one step of a plan.
pub(super) struct Context<'a>(pub(super) Sources<'a>);

impl Context<'_> {
    pub(super) fn rewritten(&self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::BinaryExpr(binary) if is_comparison(binary.op) => self.compared(binary)?,
            Expr::InList(list) => self.in_list(list),
            Expr::Between(between) => self.between(between)?,
            Expr::Case(case) => self.case(case),
            Expr::Exists(mut exists) => {
                exists.subquery = self.below(exists.subquery)?;
                Transformed::yes(Expr::Exists(exists))
            }
            Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(self.below(subquery)?)),
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let sides = self.beside_subquery(*expr, self.below(subquery)?)?;
                let of = |(expr, subquery)| Expr::InSubquery(InSubquery::new(expr, subquery, negated));
                Transformed::yes(of(sides))
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                let sides = self.beside_subquery(*expr, self.below(subquery)?)?;
                let of = |(expr, subquery)| SetComparison::new(expr, subquery, op, quantifier);
                Transformed::yes(Expr::SetComparison(of(sides)))
            }
            Expr::AggregateFunction(mut call) => {
                if call.params.distinct && call.params.order_by.iter().any(|key| self.0.is_address(&key.expr))
                {
                    return plan_err!(
                        "DISTINCT with ORDER BY of addresses in {}(…) is not available; aggregate a subquery: FROM (SELECT DISTINCT ip_address …)",
                        call.func.name()
                    );
                }
                self.sort(&mut call.params.order_by);
                self.extreme(&mut call.func, &mut call.params)?;
                Transformed::yes(Expr::AggregateFunction(call))
            }
            Expr::WindowFunction(mut call) => {
                self.sort(&mut call.params.order_by);
                let args = &mut call.params.args;
                match call.fun.name() {
                    name @ ("min" | "max") if args.first().is_some_and(|value| self.0.is_address(value)) => {
                        return plan_err!(
                            "{name} of addresses OVER (…) is not available; write first_value(ip_address) OVER (… ORDER BY ip_address)"
                        );
                    }
                    "lag" | "lead" => self.alike(args),
                    _ => {}
                }
                Transformed::yes(Expr::WindowFunction(call))
            }
            Expr::ScalarFunction(call) => self.called(call)?,
            other => Transformed::no(other),
        })
    }

    fn compared(&self, binary: BinaryExpr) -> Result<Transformed<Expr>> {
        let BinaryExpr { mut left, op, mut right } = binary;
        if !self.0.is_address(&left) && !self.0.is_address(&right) {
            return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
        }
        match op {
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => {
                for side in [&mut left, &mut right] {
                    no_other_text(side)?;
                    **side = order::compared_by(std::mem::take(side));
                }
            }
            _ => self.alike([&mut *left, &mut *right]),
        }
        Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
    }

    fn between(&self, between: Between) -> Result<Transformed<Expr>> {
        let Between { expr, negated, low, high } = between;
        if ![&expr, &low, &high].into_iter().any(|side| self.0.is_address(side)) {
            return Ok(Transformed::no(Expr::Between(Between { expr, negated, low, high })));
        }
        let mut range = [expr, low, high];
        for side in &mut range {
            no_other_text(side)?;
            **side = order::compared_by(std::mem::take(side));
        }
        let [expr, low, high] = range;
        Ok(Transformed::yes(Expr::Between(Between { expr, negated, low, high })))
    }

    fn in_list(&self, mut list: InList) -> Transformed<Expr> {
        if self.0.is_address(&list.expr) {
            list.list = list.list.into_iter().map(|value| self.canonical(value)).collect();
            return Transformed::yes(Expr::InList(list));
        }
        let (addresses, others): (Vec<Expr>, Vec<Expr>) =
            std::mem::take(&mut list.list).into_iter().partition(|value| self.0.is_address(value));
        if addresses.is_empty() {
            return Transformed::no(Expr::InList(InList { list: others, ..list }));
        }
        let value = self.canonical(list.expr.as_ref().clone());
        let mut any: Vec<Expr> = addresses.into_iter().map(|address| value.clone().eq(address)).collect();
        if !others.is_empty() {
            any.push(Expr::InList(InList::new(list.expr, others, false)));
        }
        let any = any.into_iter().reduce(Expr::or).unwrap_or_default();
        Transformed::yes(if list.negated { Expr::Not(Box::new(any)) } else { any })
    }

    /// `CASE a WHEN b`, and the results, of which each may be an address.
    fn case(&self, mut case: Case) -> Transformed<Expr> {
        if let Some(value) = &mut case.expr {
            let whens = case.when_then_expr.iter_mut().map(|(when, _)| when.as_mut());
            self.alike(whens.chain(std::iter::once(value.as_mut())));
        }
        let results = case.when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
        self.alike(results.chain(case.else_expr.as_deref_mut()));
        Transformed::yes(Expr::Case(case))
    }

    fn called(&self, mut call: ScalarFunction) -> Result<Transformed<Expr>> {
        let name = call.func.name();
        let is_sorted = SORT.iter().find(|(sorts, _)| *sorts == name);
        if let Some((name, instead)) =
            is_sorted.filter(|_| call.args.iter().any(|arg| self.0.is_address(arg)))
        {
            return plan_err!("{name} of addresses is not available; write {instead}");
        }
        if !ALIKE.contains(&name) {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        }
        let is_equality = |op: &Expr| matches!(op, Expr::Literal(op, _) if matches!(op.try_as_str().flatten(), Some("=" | "<>" | "!=")));
        if [COMPARE_ANY, COMPARE_ALL].contains(&name)
            && !call.args.first().is_some_and(is_equality)
            && call.args.iter().any(|arg| self.0.is_address(arg))
        {
            return plan_err!("addresses of a list are compared by = and <> only; join unnest(…) for others");
        }
        self.alike(&mut call.args);
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }

    /// `min` and `max` of addresses as the first of them.
    fn extreme(&self, function: &mut Arc<AggregateUDF>, params: &mut AggregateFunctionParams) -> Result<()> {
        let [value] = params.args.as_slice() else { return Ok(()) };
        let asc = match function.name() {
            "min" => true,
            "max" => false,
            _ => return Ok(()),
        };
        if self.0.is_address(value) {
            let key = order::sorted_by(value.clone());
            params.distinct = false;
            params.order_by = vec![SortExpr::new(key, asc, false)];
            *function = first_value_udaf();
        }
        Ok(())
    }

    /// Sorts addresses by their order.
    pub(super) fn sort(&self, keys: &mut [SortExpr]) {
        for key in keys.iter_mut().filter(|key| self.0.is_address(&key.expr)) {
            key.expr = order::sorted_by(std::mem::take(&mut key.expr));
        }
    }

    /// Makes texts canonical if one of them is an address.
    pub(super) fn alike<'e>(&self, values: impl IntoIterator<Item = &'e mut Expr>) {
        let values: Vec<&mut Expr> = values.into_iter().collect();
        if values.iter().any(|value| self.0.is_address(value)) {
            for value in values {
                *value = self.canonical(std::mem::take(value));
            }
        }
    }

    /// A subquery, in which addresses of the plan around it are known under other names than that of the column.
    fn below(&self, subquery: Subquery) -> Result<Subquery> {
        let is_address = |column: &Column| self.0.inputs.iter().any(|input| is_address(input, column));
        let outer: HashSet<Column> = subquery
            .outer_ref_columns
            .iter()
            .filter_map(|column| match column {
                Expr::OuterReferenceColumn(_, column) if is_address(column) => Some(column.clone()),
                _ => None,
            })
            .collect();
        if outer.is_empty() {
            return Ok(subquery);
        }
        let plan = subquery.subquery.as_ref().clone();
        let plan = plan.transform_up_with_subqueries(|plan| rewritten(plan, &outer))?.data;
        Ok(Subquery { subquery: Arc::new(plan), ..subquery })
    }

    /// A value and a subquery that it is compared with.
    fn beside_subquery(&self, expr: Expr, of: Subquery) -> Result<(Box<Expr>, Subquery)> {
        match (self.0.is_address(&expr), first_is_address(&of.subquery)) {
            (true, false) => {
                let subquery = of.subquery.as_ref().clone();
                let (qualifier, field) = subquery.schema().qualified_field(0);
                if !field.data_type().is_string() {
                    return Ok((Box::new(expr), of));
                }
                let (column, name) = (Expr::Column(Column::from((qualifier, field))), field.name().clone());
                let value = canonical::function().call(vec![column]).alias(name);
                let plan = LogicalPlanBuilder::from(subquery).project(vec![value])?.build()?;
                Ok((Box::new(expr), Subquery { subquery: Arc::new(plan), ..of }))
            }
            (false, true) => Ok((Box::new(self.canonical(expr)), of)),
            _ => Ok((Box::new(expr), of)),
        }
    }

    /// `value` as the canonical text of the address that it is, or as a list of them.
    fn canonical(&self, value: Expr) -> Expr {
        if let Expr::Literal(literal, metadata) = &value {
            return match canonical_literal(literal) {
                Some(text) => Expr::Literal(text, metadata.clone()),
                None => value,
            };
        }
        match self.0.is_text(&value) && !self.0.is_address(&value) {
            true => canonical::function().call(vec![value]),
            false => value,
        }
    }
}

/// A constant with canonical text; `None` if it is not of text, or NULL.
fn canonical_literal(literal: &ScalarValue) -> Option<ScalarValue> {
    if let ScalarValue::List(list) = literal {
        if !list.value_type().is_string() {
            return None;
        }
        let texts = cast(list.values(), &DataType::Utf8).ok()?;
        let texts = texts.as_string::<i32>().iter().map(|text| text.map(canonical::canonical));
        let texts = cast(&texts.collect::<StringArray>(), &list.value_type()).ok()?;
        let (field, offsets, _, nulls) = list.as_ref().clone().into_parts();
        return ListArray::try_new(field, offsets, texts, nulls)
            .ok()
            .map(|list| ScalarValue::List(Arc::new(list)));
    }
    let text = canonical::canonical(literal.try_as_str().flatten()?).into_owned();
    ScalarValue::new_utf8view(text).cast_to(&literal.data_type()).ok()
}

/// That a constant beside an address, in a comparison that goes by the order of addresses, is one.
fn no_other_text(side: &Expr) -> Result<()> {
    let Expr::Literal(literal, _) = side else { return Ok(()) };
    match literal.try_as_str().flatten() {
        Some(text) if text.parse::<IpAddr>().is_err() => {
            let shown: String = text.chars().take(80).collect();
            plan_err!(
                "'{shown}' is no address; write in_network(ip_address, '10.0.0.0/8') for a block, or ip_address LIKE '10.%' for its text"
            )
        }
        _ => Ok(()),
    }
}
