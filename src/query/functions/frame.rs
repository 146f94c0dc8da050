//! What every function here tells the engine alike: its name, that it checks the types of its arguments itself, and that the same
//! arguments give the same answer.
//!
//! In: a [`Function`]. Out: a [`ScalarUDF`] for registration and for plans.

use std::{fmt::Debug, hash::Hash, sync::Arc};

use arrow::datatypes::DataType;
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

/// What differs from function to function. Two that are equal are the same function to the engine.
pub(super) trait Function: Debug + Eq + Hash + Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The type of the answer, of arguments as [`coerce_types`](Self::coerce_types) made them.
    fn return_type(&self, types: &[DataType]) -> Result<DataType>;

    /// The types that arguments of these types are cast to; an error says what to write instead.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>>;

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue>;
}

/// The function as the engine takes it.
pub(super) fn udf(function: impl Function) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::from(Frame { function, signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Frame<F> {
    function: F,
    signature: Signature,
}

impl<F: Function> ScalarUDFImpl for Frame<F> {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.function.invoke(args)
    }
}
