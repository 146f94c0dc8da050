//! Which types a `CAST` may name.
//!
//! In: a type of the syntax tree. Out: nothing, or a refusal that says what to write instead. Guaranteed: no part of a type's name
//! is ignored: a length, a precision or a zone that the engine would not keep to does not pass.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType, ExactNumberInfo, TimezoneInfo};

use super::{super::refusal::refused, walk::stop};
use crate::error::Error;

/// Lists inside lists in a `CAST`.
const TYPE_DEPTH_MAX: usize = 4;

/// Whether a value may be cast to `data_type`. Types are not expressions, so their depth is measured here.
pub(super) fn type_allowed(mut data_type: &DataType) -> ControlFlow<Error> {
    for _ in 0..TYPE_DEPTH_MAX {
        data_type = match data_type {
            DataType::Array(
                ArrayElemTypeDef::AngleBracket(item)
                | ArrayElemTypeDef::SquareBracket(item, _)
                | ArrayElemTypeDef::Parenthesis(item),
            ) => item,
            DataType::Struct(..) | DataType::Map(..) | DataType::Tuple(_) | DataType::Nested(_) => {
                return stop(refused("CAST to a nested type; write a cast of each member"));
            }
            one => {
                return match instead(one) {
                    None => ControlFlow::Continue(()),
                    Some(instead) => stop(refused(&format!("type {one}; {instead}"))),
                };
            }
        };
    }
    stop(refused(&format!("CAST to a type more than {TYPE_DEPTH_MAX} deep; write fewer []")))
}

/// What to write instead of a type; `None`: the type is what PostgreSQL means by it, or the translation makes it so.
fn instead(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Text
        | DataType::Varchar(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Boolean
        | DataType::Bool
        | DataType::SmallInt(None)
        | DataType::Int2(None)
        | DataType::Int(None)
        | DataType::Integer(None)
        | DataType::Int4(None)
        | DataType::BigInt(None)
        | DataType::Int8(None)
        | DataType::Real
        | DataType::Float4
        | DataType::Float8
        | DataType::Double(ExactNumberInfo::None)
        | DataType::DoublePrecision
        | DataType::Float(ExactNumberInfo::None | ExactNumberInfo::Precision(_))
        | DataType::Numeric(_)
        | DataType::Decimal(_)
        | DataType::Dec(_)
        | DataType::Date
        | DataType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
        | DataType::Timestamp(None | Some(6), _)
        | DataType::Interval { fields: None, precision: None }
        | DataType::Bytea => None,
        // Names of other products for types that PostgreSQL does not have: the engine keeps to them.
        DataType::String(None)
        | DataType::TinyInt(None)
        | DataType::TinyIntUnsigned(None)
        | DataType::SmallIntUnsigned(None)
        | DataType::IntUnsigned(None)
        | DataType::IntegerUnsigned(None)
        | DataType::BigIntUnsigned(None) => None,
        DataType::Char(_) | DataType::Character(_) => {
            Some("write text: PostgreSQL would fill it up with spaces")
        }
        DataType::JSON | DataType::JSONB => {
            Some("JSON columns are JSON text already: leave the cast out and write -> or ->>")
        }
        DataType::Uuid => Some("ids are text: write text"),
        DataType::Timestamp(Some(_), _) => Some(
            "timestamps have microseconds: write date_trunc('second', …) or date_trunc('milliseconds', …)",
        ),
        DataType::Time(..) => Some("write time, which has microseconds and no zone"),
        DataType::Interval { .. } => Some("write interval"),
        DataType::Custom(name, _) => match name.to_string().to_lowercase().as_str() {
            "inet" | "cidr" => {
                Some("addresses are text: compare them with = or in_network(ip_address, '10.0.0.0/8')")
            }
            "name" | "citext" => Some("write text, with lower(…) to compare whatever the case"),
            "money" => Some("write numeric(12, 2)"),
            _ => Some(
                "it is not available; write text, bigint, double precision, numeric, boolean, date, timestamp or timestamptz",
            ),
        },
        _ => Some(
            "it is not available; write text, bigint, double precision, numeric, boolean, date, timestamp or timestamptz",
        ),
    }
}
