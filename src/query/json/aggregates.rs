//! `sum(metadata->'amount')`: aggregates of numbers, of JSON values too.
//!
//! In: the engine's aggregates. Out: the same, of which those of numbers say, while a statement is planned, that they take a JSON value
//! and what they give for it; and whose names tell casts, so that `max(x)` and `max(x::bigint)` can stand in one statement. Guaranteed: what
//! runs is the engine's own: `rule` puts it in the place of [`Planned`], and a number in the place of the JSON value.

use std::{any::Any, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::{DFSchema, internal_err, tree_node::TreeNode},
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, Signature, Volatility,
        expr::AggregateFunctionParams, function::AccumulatorArgs, type_coercion::functions::fields_with_udf,
    },
    scalar::ScalarValue,
};
use datafusion_functions_json::JSON_UNION_DATA_TYPE;

use super::calls::{read, types_taken};

/// Which take JSON values.
const OF_NUMBERS: [&str; 12] = [
    "sum",
    "avg",
    "min",
    "max",
    "median",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "percentile_cont",
    "approx_percentile_cont",
    "approx_median",
];
/// Which take JSON values as truth values.
const OF_BOOLEANS: [&str; 2] = ["bool_and", "bool_or"];
/// The optimizer makes calls of these by itself, for `DISTINCT ON`, after statements were analysed.
const OF_THE_OPTIMIZER: [&str; 2] = ["first_value", "last_value"];
/// Those that give JSON values as they are, or only tell them apart.
const OF_ANY: [&str; 8] = [
    "count",
    "approx_distinct",
    "first_value",
    "last_value",
    "nth_value",
    "any_value",
    "array_agg",
    "grouping",
];
/// Of [`OF_NUMBERS`], those that texts have, too.
const OF_TEXTS: [&str; 2] = ["min", "max"];

/// The same aggregates; some of them take JSON values, too.
pub(crate) fn with_numbers(aggregates: Vec<Arc<AggregateUDF>>) -> Vec<Arc<AggregateUDF>> {
    let planned = |inner: Arc<AggregateUDF>| match OF_THE_OPTIMIZER.contains(&inner.name()) {
        true => inner,
        false => {
            let signature = Signature::user_defined(Volatility::Immutable);
            Arc::new(AggregateUDF::from(Planned { inner, signature }))
        }
    };
    aggregates.into_iter().map(planned).collect()
}

/// The engine's aggregate behind the one that was planned; `None` if it is its own.
pub(super) fn planned(function: &AggregateUDF) -> Option<&Arc<AggregateUDF>> {
    (function.inner().as_ref() as &dyn Any).downcast_ref::<Planned>().map(|planned| &planned.inner)
}

/// Whether an aggregate of this name takes the numbers that JSON values are.
pub(super) fn is_of_numbers(name: &str) -> bool {
    OF_NUMBERS.contains(&name)
}

/// Whether an aggregate of this name takes the truth values that JSON values are.
pub(super) fn is_of_booleans(name: &str) -> bool {
    OF_BOOLEANS.contains(&name)
}

/// Whether an aggregate of this name takes the numbers that texts say.
pub(super) fn is_of_numbers_only(name: &str) -> bool {
    is_of_numbers(name) && !OF_TEXTS.contains(&name)
}

/// The arguments, with JSON values as what an aggregate takes that is neither of numbers nor of any value: `string_agg` takes their
/// texts, `bool_and` their truth values.
pub(super) fn of_plain_values(
    args: Vec<Expr>,
    function: &AggregateUDF,
    schema: &DFSchema,
) -> Result<Vec<Expr>> {
    if is_of_numbers(function.name()) || OF_ANY.contains(&function.name()) {
        return Ok(args);
    }
    let types: Vec<DataType> = args.iter().map(|arg| arg.get_type(schema)).collect::<Result<_>>()?;
    if !types.contains(&*JSON_UNION_DATA_TYPE) {
        return Ok(args);
    }
    let taken = types_taken(&types, planned(function).map_or(function, |inner| inner.as_ref()))?;
    Ok(args.iter().zip(&taken).map(|(arg, taken)| read(arg, taken, schema)).collect())
}

fn has_cast(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(matches!(expr, Expr::Cast(_) | Expr::TryCast(_)))).unwrap_or(true)
}

/// Stands for an aggregate until it is known what its values are.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Planned {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for Planned {
    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        match params.args.iter().any(has_cast) {
            // The engine leaves casts out of names, and takes two expressions of one name for a mistake.
            true => self.inner.display_name(params),
            false => self.inner.schema_name(params),
        }
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.display_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.human_display(params)
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        let is_number = |given: &DataType| {
            is_of_numbers(name) && *given == *JSON_UNION_DATA_TYPE
                || is_of_numbers_only(name) && given.is_string()
        };
        if !is_of_numbers(name) && !OF_ANY.contains(&name) {
            return types_taken(types, self.inner.as_ref());
        }
        let as_number = |given: &DataType| if is_number(given) { DataType::Float64 } else { given.clone() };
        let fields: Vec<FieldRef> =
            types.iter().map(|given| Arc::new(Field::new("value", as_number(given), true))).collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        internal_err!("'{}' was planned and not analysed", self.name())
    }
}
