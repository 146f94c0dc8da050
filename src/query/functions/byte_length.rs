//! `length(bytes)`: how many bytes there are. The engine would read them as text and count its letters.
//!
//! In: the expressions of a plan. Out: the same, in which the length of bytes is counted by the function here.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Int32Array},
    datatypes::DataType,
};
use datafusion::{
    common::{DFSchema, config::ConfigOptions, exec_datafusion_err, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, expr::ScalarFunction,
        expr_rewriter::FunctionRewrite,
    },
};

use super::{
    frame::{Function, udf},
    text,
};

const LENGTHS: [&str; 3] = ["length", "character_length", "octet_length"];

/// Puts the function into plans.
#[derive(Debug)]
pub(super) struct LengthOfBytes;

impl FunctionRewrite for LengthOfBytes {
    fn name(&self) -> &str {
        "length_of_bytes"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        let is_bytes = |given: DataType| given.is_binary();
        match call.args.as_slice() {
            [bytes] if LENGTHS.contains(&call.name()) && bytes.get_type(schema).is_ok_and(is_bytes) => {
                let counted = ScalarFunction::new_udf(function(), vec![bytes.clone()]);
                Ok(Transformed::yes(Expr::ScalarFunction(counted)))
            }
            _ => Ok(Transformed::no(expr)),
        }
    }
}

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    udf(ByteLength)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ByteLength;

impl Function for ByteLength {
    fn name(&self) -> &'static str {
        "byte_length"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [given] if given.is_binary() || given.is_string() || given.is_null() => {
                Ok(vec![DataType::Binary])
            }
            _ => plan_err!("byte_length takes bytes"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = text::column(&args, 0, &DataType::Binary)?;
        let lengths = bytes.as_binary::<i32>().iter().map(|bytes| {
            let length = bytes.map(|bytes| i32::try_from(bytes.len())).transpose();
            length.map_err(|_| exec_datafusion_err!("a value has too many bytes"))
        });
        Ok(text::answer(Arc::new(lengths.collect::<Result<Int32Array>>()?)))
    }
}
