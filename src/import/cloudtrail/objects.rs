//! Objects of S3 that a call names.
//!
//! In: the parameters of a call to S3. Out: the object of `bucketName` and `key`, and the one it is copied or renamed from, with its
//! bucket. Guaranteed: an object is `bucket/key`, the key as it is: what a header has encoded (`a%20b`) is decoded.

use serde_json::Value;

use super::{groups::Groups, things::Things};

/// Members that say from where an object comes: `bucket/key` or `/bucket/key`, with a version or without.
const SOURCES: [&str; 3] = ["x-amz-copy-source", "copySource", "x-amz-rename-source"];

/// Adds the objects.
pub(super) fn add(parameters: &Value, groups: &Groups<'_>, things: &mut Things) {
    let part = |name: &str| parameters.get(name).and_then(Value::as_str);
    if let (Some(bucket), Some(key)) = (part("bucketName"), part("key")) {
        // Where access goes through an access point, its ARN stands for the bucket.
        let id = format!("{bucket}{}{key}", if bucket.starts_with("arn:") { "/object/" } else { "/" });
        things.add("AWS::S3::Object", &id, groups);
    }
    for source in SOURCES.iter().filter_map(|member| part(member)) {
        let source = source.split_once("?versionId=").map_or(source, |(source, _)| source);
        let source = decoded(source.strip_prefix('/').unwrap_or(source));
        if source.starts_with("arn:") {
            things.add("AWS::S3::Object", &source, groups);
        } else if let Some((bucket, _)) = source.split_once('/') {
            things.add("AWS::S3::Bucket", bucket, groups);
            things.add("AWS::S3::Object", &source, groups);
        }
    }
}

/// A text of a URL as it was before it was encoded; one that is not encoded as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|it| *first == b'%' && it.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a key of an object that is found only as a URL writes it.
    #[test]
    fn sources_are_decoded() {
        for (text, expected) in [
            ("acme-data/a%20b%2Fc", "acme-data/a b/c"),
            ("acme-data/100%", "acme-data/100%"),
            ("acme-data/%zz%C3%A4", "acme-data/%zzä"),
            ("acme-data/%FF", "acme-data/%FF"),
            ("%", "%"),
        ] {
            assert_eq!(decoded(text), expected);
        }
    }
}
