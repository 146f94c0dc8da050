//! `sum(metadata->'amount')`: aggregates of numbers, of JSON values too.
//!
//! In: the engine's aggregates. Out: the same, of which those of numbers say, while a statement is planned, that they take a JSON value
//! and what they give for it. Guaranteed: what runs is the engine's own: `rule` puts it in the place of [`OfNumbers`], and a number in
//! the place of the JSON value.

use std::{any::Any, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::internal_err,
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility, function::AccumulatorArgs,
        type_coercion::functions::fields_with_udf,
    },
    scalar::ScalarValue,
};
use datafusion_functions_json::JSON_UNION_DATA_TYPE;

/// Which take JSON values.
const OF_NUMBERS: [&str; 9] = ["sum", "avg", "min", "max", "median", "stddev", "stddev_pop", "var", "var_pop"];

/// The same aggregates; some of them take JSON values, too.
pub(crate) fn with_numbers(aggregates: Vec<Arc<AggregateUDF>>) -> Vec<Arc<AggregateUDF>> {
    let with_numbers = |inner: Arc<AggregateUDF>| match OF_NUMBERS.contains(&inner.name()) {
        true => Arc::new(AggregateUDF::from(OfNumbers {
            inner,
            signature: Signature::user_defined(Volatility::Immutable),
        })),
        false => inner,
    };
    aggregates.into_iter().map(with_numbers).collect()
}

/// The engine's aggregate behind the one that was planned; `None` if it is its own.
pub(super) fn planned(function: &AggregateUDF) -> Option<&Arc<AggregateUDF>> {
    (function.inner().as_ref() as &dyn Any).downcast_ref::<OfNumbers>().map(|planned| &planned.inner)
}

/// Stands for an aggregate until it is known what its values are.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfNumbers {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for OfNumbers {
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
        let as_number = |given: &DataType| match *given == *JSON_UNION_DATA_TYPE {
            true => DataType::Float64,
            false => given.clone(),
        };
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
