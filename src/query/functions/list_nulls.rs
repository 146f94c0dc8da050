//! Lists with NULLs in them, as PostgreSQL treats them: `array_remove(list, NULL)` removes NULLs, and `@>` and `&&` find none.
//!
//! In: the expressions of a plan. Out: the same, in which lists that may have NULLs are looked for without them. Guaranteed: what is asked of
//! constants without NULLs, and of `target_ids`, stays as it is, for the index knows it.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt32Array},
    buffer::OffsetBuffer,
    compute::{filter, kernels::cmp, take},
    datatypes::{DataType, Field},
};
use datafusion::{
    common::{DFSchema, config::ConfigOptions, exec_err, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, expr::ScalarFunction,
        expr_rewriter::FunctionRewrite, lit, not, type_coercion::binary::comparison_coercion,
    },
    scalar::ScalarValue,
};

use super::{
    frame::{Function, udf},
    text,
};
use crate::event::schema::TARGET_IDS;

/// Puts the functions into plans.
#[derive(Debug)]
pub(super) struct ListNulls;

impl FunctionRewrite for ListNulls {
    fn name(&self) -> &str {
        "nulls_of_lists"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
        let [_, sought] = call.args.as_slice() else {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        };
        let is_list = |given: DataType| matches!(given, DataType::List(_));
        let is_each = ["array_has_all", "array_has_any"].contains(&call.name());
        if !is_each || has_no_nulls(sought) || !sought.get_type(schema).is_ok_and(is_list) {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        }
        if call.name() == "array_has_all" {
            let has_null = HasNull.call(vec![sought.clone()]);
            return Ok(Transformed::yes(Expr::ScalarFunction(call).and(not(has_null))));
        }
        let sought = Remove.call(vec![sought.clone(), lit(ScalarValue::Null)]);
        call.args[1] = sought;
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }
}

trait Call: Function + Sized {
    fn call(self, args: Vec<Expr>) -> Expr {
        Expr::ScalarFunction(ScalarFunction::new_udf(udf(self), args))
    }
}

impl Call for HasNull {}
impl Call for Remove {}

/// Whether a list is known to have none.
fn has_no_nulls(list: &Expr) -> bool {
    match list {
        Expr::Column(column) => column.name() == TARGET_IDS,
        Expr::Alias(alias) => has_no_nulls(&alias.expr),
        Expr::Literal(ScalarValue::List(list), _) => list.values().null_count() == 0,
        Expr::Cast(cast) => has_no_nulls(&cast.expr),
        Expr::ScalarFunction(call) if call.name() == "make_array" => {
            call.args.iter().all(|item| matches!(item, Expr::Literal(value, _) if !value.is_null()))
        }
        // A parameter is one of these once it has its value, or is checked row by row.
        _ => false,
    }
}

/// The functions, for registration.
pub(super) fn functions() -> [Arc<ScalarUDF>; 2] {
    [udf(Remove), udf(HasNull)]
}

/// `array_remove(list, value)`: all that are not distinct from it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Remove;

impl Function for Remove {
    fn name(&self) -> &'static str {
        "array_remove"
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Null, value] => Ok(vec![DataType::Null, value.clone()]),
            [DataType::List(item), value] if value.is_null() => {
                Ok(vec![DataType::List(Arc::clone(item)), DataType::Null])
            }
            [DataType::List(item), value] => {
                let fits = item.data_type().is_numeric() == value.is_numeric() || item.data_type().is_null();
                match comparison_coercion(item.data_type(), value).filter(|_| fits) {
                    Some(common) => {
                        let item = Field::new(item.name(), common.clone(), true);
                        Ok(vec![DataType::List(Arc::new(item)), common])
                    }
                    None => {
                        plan_err!(
                            "array_remove takes a list and a value of its type, not {value}; cast one of them"
                        )
                    }
                }
            }
            _ => plan_err!("array_remove takes a list and a value, as in array_remove(target_ids, 'd_1')"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lists = args.args[0].to_array(args.number_rows)?;
        let Some(lists) = lists.as_list_opt::<i32>() else { return Ok(ColumnarValue::Array(lists)) };
        Ok(text::answer(removed(lists, &args.args[1].to_array(args.number_rows)?)?))
    }
}

fn removed(lists: &ListArray, values: &ArrayRef) -> Result<ArrayRef> {
    let DataType::List(item) = lists.data_type() else { return exec_err!("array_remove takes a list") };
    let offsets = lists.value_offsets();
    let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
    let items = lists.values().slice(first, last - first);
    let kept: BooleanArray = if values.data_type().is_null() {
        let nulls = items.logical_nulls();
        (0..items.len()).map(|item| Some(nulls.as_ref().is_none_or(|nulls| nulls.is_valid(item)))).collect()
    } else {
        let row_of_item = (0..lists.len()).flat_map(|row| vec![row as u32; lists.value_length(row) as usize]);
        cmp::distinct(&items, &take(values, &row_of_item.collect::<UInt32Array>(), None)?)?
    };
    let lengths = (0..lists.len()).map(|row| {
        let (from, to) = (offsets[row] as usize - first, offsets[row + 1] as usize - first);
        (from..to).filter(|item| kept.value(*item)).count()
    });
    let offsets = OffsetBuffer::from_lengths(lengths);
    let items = filter(&items, &kept)?;
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, lists.nulls().cloned())?))
}

/// Whether there is a NULL in a list.
#[derive(Debug, PartialEq, Eq, Hash)]
struct HasNull;

impl Function for HasNull {
    fn name(&self) -> &'static str {
        "list_has_null"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::List(_) | DataType::Null] => Ok(types.to_vec()),
            _ => plan_err!("list_has_null takes a list"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lists = args.args[0].to_array(args.number_rows)?;
        let Some(lists) = lists.as_list_opt::<i32>() else {
            return Ok(text::answer(Arc::new(BooleanArray::new_null(args.number_rows))));
        };
        let has_null = lists.iter().map(|list| list.map(|list| list.logical_null_count() > 0));
        Ok(text::answer(Arc::new(has_null.collect::<BooleanArray>())))
    }
}
