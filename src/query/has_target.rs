//! `has_target(targets, 'document', 'd_9')`: whether an event has a target of a type, and of an id if one is given.
//!
//! In: the column `targets` (JSON text of all targets), a type, an id (or alias) or null. Out: true where one target has both; false
//! where none has; null for a null. The columns `target_type` and `target_id` are those of the first target only.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{AsArray, BooleanArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use serde::Deserialize;

/// The function, for registration.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(HasTarget { signature: Signature::user_defined(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct HasTarget {
    signature: Signature,
}

/// What is looked at of a target.
#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow, rename = "type")]
    target_type: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    aliases: Vec<Cow<'a, str>>,
}

impl Target<'_> {
    fn is_called(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name)
    }
}

impl ScalarUDFImpl for HasTarget {
    fn name(&self) -> &str {
        "has_target"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |given: &DataType| given.is_string() || given.is_null();
        match types {
            [targets, target_type, id] if [targets, target_type, id].into_iter().all(is_text) => {
                Ok(vec![DataType::Utf8View; 3])
            }
            _ => plan_err!(
                "has_target takes targets, a type and an id or NULL, as in has_target(targets, 'document', NULL)"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [targets, ColumnarValue::Scalar(target_type), ColumnarValue::Scalar(id)] = args.args.as_slice()
        else {
            return exec_err!(
                "has_target: the type and the id have to be constants; write them as texts, or give them as parameters"
            );
        };
        let Some(target_type) = target_type.try_as_str().flatten() else {
            return Ok(ColumnarValue::Array(Arc::new(BooleanArray::new_null(args.number_rows))));
        };
        let id = id.try_as_str().flatten();
        let fits = |target: &Target<'_>| {
            target.target_type == target_type && id.is_none_or(|id| target.is_called(id))
        };
        // What is no list of targets has none of the type; `targets` never is so, another column may be.
        let has =
            |json: &str| serde_json::from_str::<Vec<Target<'_>>>(json).is_ok_and(|all| all.iter().any(fits));
        let targets = cast(&targets.to_array(args.number_rows)?, &DataType::Utf8View)?;
        let answers: BooleanArray = targets.as_string_view().iter().map(|json| json.map(has)).collect();
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a thing that is found by one of its names only, and a name that is taken for that of another type.
    #[test]
    fn a_target_is_found_by_id_and_alias() {
        let json = r#"[{"aliases":["acme-data"],"id":"arn:aws:s3:::acme-data","type":"bucket"},{"id":"d","type":"doc"}]"#;
        let targets: Vec<Target<'_>> = serde_json::from_str(json).unwrap();
        let is_called = |name: &str| targets.iter().map(|target| target.is_called(name)).collect::<Vec<_>>();
        assert_eq!(is_called("acme-data"), [true, false]);
        assert_eq!(is_called("arn:aws:s3:::acme-data"), [true, false]);
        assert_eq!(is_called("d"), [false, true]);
        assert_eq!(is_called("data"), [false, false]);
    }
}
