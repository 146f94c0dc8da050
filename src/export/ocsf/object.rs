//! The OCSF objects that are written, and the columns that they are.
//!
//! Each object is said once: the macro makes of it what serde writes and the Arrow type of its columns, so that lines and
//! columns cannot drift apart. Attributes are in the order of their names; what an object has not is left out, not null.

use std::{borrow::Cow, sync::Arc};

use arrow::datatypes::{DataType, Field};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::event::{OnBehalfOf, Workspace};
use crate::event::schema;

/// A value that has a column.
trait Attribute {
    /// Whether an object may lack it.
    const OPTIONAL: bool = false;

    fn data_type() -> DataType;

    /// Whether this object lacks it.
    fn is_absent(&self) -> bool {
        false
    }
}

macro_rules! objects {
    ($($(#[$about:meta])* $object:ident<$life:lifetime> { $($name:ident: $kind:ty),+ $(,)? })+) => { $(
        $(#[$about])*
        #[derive(Serialize)]
        pub(super) struct $object<$life> {
            $(#[serde(skip_serializing_if = "Attribute::is_absent")] pub(super) $name: $kind),+
        }

        impl<$life> $object<$life> {
            /// The object's columns; those without which it cannot be are not nullable.
            pub(super) fn fields() -> Vec<Field> {
                vec![$(Field::new(
                    stringify!($name).trim_start_matches("r#"),
                    <$kind as Attribute>::data_type(),
                    <$kind as Attribute>::OPTIONAL,
                )),+]
            }
        }

        impl<$life> Attribute for $object<$life> {
            fn data_type() -> DataType {
                // Inside of an object that may be missing, all may be missing.
                DataType::Struct(Self::fields().into_iter().map(|field| field.with_nullable(true)).collect())
            }
        }
    )+ };
}

objects! {
    /// An event of any of the three classes.
    Object<'a> {
        activity_id: i32,
        activity_name: &'a str,
        actor: Actor<'a>,
        api: Option<Api<'a>>,
        category_name: &'a str,
        category_uid: i32,
        class_name: &'a str,
        class_uid: i32,
        http_request: Option<HttpRequest<'a>>,
        message: Option<&'a str>,
        metadata: Metadata<'a>,
        policy: Option<Named<'a>>,
        resources: Vec<Resource<'a>>,
        service: Option<Named<'a>>,
        session: Option<Session<'a>>,
        severity: &'a str,
        severity_id: i32,
        src_endpoint: Option<Endpoint<'a>>,
        status: &'a str,
        status_code: Option<&'a str>,
        status_detail: Option<&'a str>,
        status_id: i32,
        time: i64,
        time_dt: Time<'a>,
        type_name: String,
        type_uid: i64,
        unmapped: Option<Json<'a>>,
        user: Option<User<'a>>,
    }

    Actor<'a> {
        session: Option<Session<'a>>,
        user: User<'a>,
    }

    Api<'a> {
        operation: &'a str,
        request: Option<Request<'a>>,
        service: Option<Named<'a>>,
    }

    Endpoint<'a> {
        ip: Option<&'a str>,
        location: Option<Location<'a>>,
        name: Option<&'a str>,
    }

    HttpRequest<'a> {
        uid: Option<&'a str>,
        user_agent: Option<&'a str>,
    }

    Location<'a> {
        country: &'a str,
    }

    Metadata<'a> {
        correlation_uid: Option<&'a str>,
        event_code: &'a str,
        logged_time: i64,
        logged_time_dt: Time<'a>,
        product: Product<'a>,
        profiles: Vec<&'a str>,
        sequence: Option<i64>,
        tenant_uid: &'a str,
        uid: &'a str,
        version: &'a str,
    }

    /// A policy or a service.
    Named<'a> {
        name: Option<&'a str>,
        uid: Option<&'a str>,
    }

    Product<'a> {
        name: &'a str,
        vendor_name: &'a str,
        version: &'a str,
    }

    Request<'a> {
        uid: &'a str,
    }

    Resource<'a> {
        data: Option<Json<'a>>,
        name: Option<&'a str>,
        r#type: &'a str,
        uid: &'a str,
    }

    Session<'a> {
        uid: &'a str,
    }

    User<'a> {
        credential_uid: Option<&'a str>,
        email_addr: Option<&'a str>,
        name: Option<&'a str>,
        r#type: &'a str,
        type_id: i32,
        uid: &'a str,
    }
}

impl Attribute for i32 {
    fn data_type() -> DataType {
        DataType::Int32
    }
}

impl Attribute for i64 {
    fn data_type() -> DataType {
        DataType::Int64
    }
}

impl Attribute for &str {
    fn data_type() -> DataType {
        DataType::Utf8
    }
}

impl Attribute for String {
    fn data_type() -> DataType {
        DataType::Utf8
    }
}

impl<T: Attribute> Attribute for Option<T> {
    const OPTIONAL: bool = true;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Attribute> Attribute for Vec<T> {
    const OPTIONAL: bool = true;

    fn data_type() -> DataType {
        DataType::List(Arc::new(Field::new("element", T::data_type(), true)))
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// A time in RFC 3339, UTC: text in JSON, microseconds in its column.
#[derive(Serialize)]
pub(super) struct Time<'a>(pub(super) &'a str);

impl Attribute for Time<'_> {
    fn data_type() -> DataType {
        schema::timestamp_type()
    }
}

/// Any JSON.
pub(super) enum Json<'a> {
    Value(&'a RawValue),
    Unmapped(Box<Unmapped<'a>>),
    Text(Cow<'a, str>),
}

impl Attribute for Json<'_> {
    fn data_type() -> DataType {
        DataType::Utf8
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Unmapped(unmapped) => unmapped.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// What has no place in OCSF, under the names that it has in the API.
#[derive(Serialize)]
pub(super) struct Unmapped<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<UnmappedActor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) targets: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) workspace: Option<&'a Workspace>,
}

impl Unmapped<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.actor.is_none()
            && self.changes.is_none()
            && self.metadata.is_none()
            && self.sealed.is_none()
            && self.targets.is_none()
            && self.version.is_none()
            && self.workspace.is_none()
    }
}

/// Of the actor.
#[derive(Serialize)]
pub(super) struct UnmappedActor<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential: Option<UnmappedCredential<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_behalf_of: Option<&'a OnBehalfOf>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'a str>,
}

impl UnmappedActor<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.credential.is_none()
            && self.email.is_none()
            && self.metadata.is_none()
            && self.on_behalf_of.is_none()
            && self.kind.is_none()
    }
}

/// Of the actor's credential.
#[derive(Serialize)]
pub(super) struct UnmappedCredential<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a column that is required although an object may lack it, or the other way round.
    #[test]
    fn columns_are_nullable_as_attributes_are_optional() {
        let fields = Object::fields();
        let nullable = |name: &str| fields.iter().find(|field| field.name() == name).unwrap().is_nullable();
        assert!(!nullable("class_uid") && !nullable("time") && !nullable("metadata") && !nullable("actor"));
        assert!(
            nullable("user") && nullable("resources") && nullable("unmapped") && nullable("src_endpoint")
        );
        assert!(fields.is_sorted_by_key(|field| field.name()));
    }
}
