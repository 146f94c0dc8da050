//! Functions of one row over JSON values: `upper(metadata->'plan')`.
//!
//! In: the functions of a session. Out: the same, which say, while a statement is planned, that they take a JSON value where they take a
//! text, a number or a truth value. Then: a call. Out: the engine's own function, which gets a JSON value as what it takes there: its
//! text, as `->>` gives it, where it takes a text. Guaranteed: no value is an error, and none is lost: what a
//! function would see one kind of is refused, as are lists of JSON values where the kind of the values matters.

use std::{any::Any, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::{DFSchema, plan_err},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, TypeSignature,
        expr::ScalarFunction,
        type_coercion::functions::{UDFCoercionExt, fields_with_udf},
    },
};
use datafusion_functions_json::JSON_UNION_DATA_TYPE;

use super::{
    compare::{as_type, is_json, is_read_from_text, is_text_of_json, text_as_type},
    one_of::{LIST, ONE_OF},
};

/// Functions of lists to which it does not matter what is in a list, or that give one of its values.
const OF_ANY_LIST: [&str; 14] = [
    "array_element",
    "array_slice",
    "array_length",
    "cardinality",
    "array_ndims",
    "empty",
    "array_reverse",
    "array_pop_front",
    "array_pop_back",
    LIST,
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_concat",
];

/// Functions of times, which others (`to_timestamp`) make of texts.
const OF_TIMES: [&str; 4] = ["date_trunc", "date_part", "date_bin", "to_local_time"];
/// Functions of values of any type, which nest them.
const NESTING: [&str; 3] = ["struct", "named_struct", "row"];

/// The same functions; those that have arguments take JSON values, too.
pub(crate) fn with_json_values(
    functions: impl IntoIterator<Item = Arc<ScalarUDF>>,
) -> impl Iterator<Item = Arc<ScalarUDF>> {
    let planned = |inner: Arc<ScalarUDF>| {
        let signature = Signature { type_signature: TypeSignature::UserDefined, ..inner.signature().clone() };
        Arc::new(ScalarUDF::from(Planned { inner, signature }))
    };
    let is_as_it_is = |function: &ScalarUDF| {
        function.name().starts_with("json_") || function.signature().type_signature.supports_zero_argument()
    };
    functions.into_iter().map(move |inner| if is_as_it_is(&inner) { inner } else { planned(inner) })
}

/// The engine's function behind the one that was planned.
fn own(function: &ScalarUDF) -> Option<&Arc<ScalarUDF>> {
    (function.inner().as_ref() as &dyn Any).downcast_ref::<Planned>().map(|planned| &planned.inner)
}

/// A call of the engine's own function, with plain values instead of JSON values; `None`: it is one already.
pub(super) fn of_plain_values(call: &ScalarFunction, schema: &DFSchema) -> Result<Option<ScalarFunction>> {
    let func = own(&call.func).cloned();
    let is_changed = func.is_some();
    let func = func.unwrap_or_else(|| Arc::clone(&call.func));
    let types: Vec<DataType> = call.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<_>>()?;
    let is_read = |given: &DataType| {
        is_json_type(given) || given.is_string() || item_type(given).is_some_and(is_json_type)
    };
    if func.name().starts_with("json_") || !types.iter().any(is_read) {
        return Ok(is_changed.then(|| ScalarFunction { func, args: call.args.clone() }));
    }
    let taken = types_taken(&types, func.as_ref())?;
    if is_changed {
        for ((arg, given), taken) in call.args.iter().zip(&types).zip(&taken) {
            of_its_type(func.name(), arg, given, taken)?;
        }
    }
    let args = call.args.iter().zip(&taken).map(|(arg, taken)| read(arg, taken, schema));
    Ok(Some(ScalarFunction { args: args.collect(), func }))
}

/// Refuses a column of texts where a function takes another type, as PostgreSQL does: that one of them cannot be cast would depend on the
/// events.
fn of_its_type(name: &str, arg: &Expr, given: &DataType, taken: &DataType) -> Result<()> {
    let is_cast =
        taken.is_numeric() || *taken == DataType::Boolean || taken.is_temporal() && OF_TIMES.contains(&name);
    if !given.is_string() || !is_cast || is_text_of_json(arg) || is_constant(arg) {
        return Ok(());
    }
    plan_err!(
        "{name} takes {taken} here and was given text; write a cast, as in col::timestamp or col::bigint"
    )
}

fn is_constant(arg: &Expr) -> bool {
    match arg {
        Expr::Alias(alias) => is_constant(&alias.expr),
        Expr::Literal(..) => true,
        _ => false,
    }
}

/// An argument as what a function takes.
pub(super) fn read(arg: &Expr, taken: &DataType, schema: &DFSchema) -> Expr {
    match is_json(arg, schema) {
        true if is_json_type(taken) => arg.clone(),
        true => as_type(arg.clone(), taken),
        false if is_text_of_json(arg) && is_read_from_text(taken) => text_as_type(arg.clone(), taken),
        false => arg.clone(),
    }
}

/// What a function takes for arguments of these types, where JSON values may be among them.
pub(super) fn types_taken<F: UDFCoercionExt>(types: &[DataType], function: &F) -> Result<Vec<DataType>> {
    let name = function.name();
    if types.iter().any(|given| item_type(given).is_some_and(is_json_type)) && !OF_ANY_LIST.contains(&name) {
        return plan_err!(
            "{name} takes no list of JSON values; write ARRAY[(metadata->'n')::double precision] for a list of numbers, ARRAY[metadata->>'n'] for one of texts"
        );
    }
    // A constant text is of the type of the others; that there is no other text, `one_of` sees to.
    let other = types.iter().find(|given| is_other(given)).filter(|_| ONE_OF.contains(&name));
    let types: Vec<DataType> = match other {
        Some(other) => {
            types.iter().map(|given| if given.is_string() { other } else { given }).cloned().collect()
        }
        None => types.to_vec(),
    };
    let taken = |types: &[DataType]| -> Result<Vec<DataType>> {
        let field = |given: &DataType| -> FieldRef { Arc::new(Field::new("value", given.clone(), true)) };
        let taken = fields_with_udf(&types.iter().map(field).collect::<Vec<_>>(), function)?;
        Ok(taken.iter().map(|field| field.data_type().clone()).collect())
    };
    if !types.iter().any(is_json_type) {
        return taken(&types);
    }
    let as_plain = |first: &DataType, others: &DataType| -> Vec<DataType> {
        let mut plain = std::iter::once(first).chain(std::iter::repeat(others));
        types
            .iter()
            .map(|given| if is_json_type(given) { plain.next() } else { None }.unwrap_or(given).clone())
            .collect()
    };
    let plain = plain_types(&types, name);
    let same = plain.iter().map(|plain| (plain, plain));
    // `left(metadata->'name', metadata->'length')` takes a text and a number.
    let each = plain.iter().flat_map(|first| plain.iter().map(move |others| (first, others)));
    match same.chain(each).find_map(|(first, others)| taken(&as_plain(first, others)).ok()) {
        Some(taken) => Ok(taken),
        None => plan_err!(
            "{name} takes no JSON value here; write ->> for its text, as in {name}(metadata->>'n'), or a cast, as in {name}((metadata->'n')::double precision)"
        ),
    }
}

/// As what JSON values may be read beside arguments of these types, the best first.
fn plain_types(types: &[DataType], name: &str) -> Vec<DataType> {
    let mut beside = types.iter().filter(|given| !is_json_type(given) && !given.is_null());
    let any = [DataType::Utf8View, DataType::Float64, DataType::Boolean, DataType::Int64];
    if NESTING.contains(&name) {
        return vec![JSON_UNION_DATA_TYPE.clone()];
    }
    if ONE_OF.contains(&name) || name == LIST {
        let first = beside.next().map(kind);
        return vec![first.unwrap_or_else(|| JSON_UNION_DATA_TYPE.clone())];
    }
    let of_lists = beside.filter_map(item_type).map(kind);
    of_lists.chain(any).collect()
}

/// What a JSON value is read as beside a value of this type.
fn kind(data_type: &DataType) -> DataType {
    match data_type {
        number if number.is_numeric() => DataType::Float64,
        text if text.is_string() || text.is_null() => DataType::Utf8View,
        other => other.clone(),
    }
}

fn is_json_type(data_type: &DataType) -> bool {
    *data_type == *JSON_UNION_DATA_TYPE
}

/// Whether values of this type are neither texts nor JSON values.
pub(super) fn is_other(data_type: &DataType) -> bool {
    !data_type.is_string() && !data_type.is_null() && !is_json_type(data_type)
}

/// What is in a list, or in the lists inside of it.
fn item_type(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item_type(item.data_type()).or(Some(item.data_type()))
        }
        _ => None,
    }
}

/// Stands for a function until it is known what its values are.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Planned {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for Planned {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        types_taken(types, self.inner.as_ref())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}
