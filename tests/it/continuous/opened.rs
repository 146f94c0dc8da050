//! A bucket that is kept open from one delivery to the next.

use auditlake::export::{AskedAccess, AskedBucket};

use super::*;
use crate::support::{
    s3::{BUCKET, S3Server},
    sts::ROLE,
};

/// Would catch a role that is assumed anew for each delivery, and one that is not when a delivery has failed: what it gave
/// may be why.
#[tokio::test]
async fn a_role_is_assumed_once_while_it_holds() {
    let (faulty, clock, customer) =
        (FaultyStore::over_memory(), Clock::manual(START_MICROS), S3Server::start());
    let mut config = settings();
    config.object_store = customer.settings();
    config.export.endpoints = vec![customer.endpoint()];
    config.export.sts_endpoint = Some(customer.endpoint());
    let lake = open(Arc::new(faulty.clone()), &clock, config).await.unwrap();
    let continuous = lake.continuous().unwrap();
    let bucket = AskedBucket {
        bucket: BUCKET.to_owned(),
        prefix: "audit".to_owned(),
        region: None,
        endpoint: Some(customer.endpoint()),
        access: AskedAccess::Role { role_arn: ROLE.to_owned() },
    };
    let new = NewContinuous { destination: Asked::S3(bucket), ..all(Layout::Files) };
    let id = continuous.create(new).await.unwrap().id;
    for day in 1..=4 {
        fill(&lake, &clock, day, "x").await;
        assert_eq!(deliver(&continuous, &clock).await, 1, "day {day}");
    }
    assert_eq!(customer.roles_assumed(), 1);
    assert_eq!(continuous.get(None, &id).await.unwrap().files, 4);

    customer.answer_next(&[crate::support::s3::Answer::Instead(reqwest::StatusCode::FORBIDDEN)]);
    fill(&lake, &clock, 5, "x").await;
    deliver_all(&continuous, &clock, &id).await;
    assert_eq!(
        (customer.roles_assumed(), customer.answers_left()),
        (2, 0),
        "what was refused is asked for again"
    );
    assert_eq!(continuous.get(None, &id).await.unwrap().files, 5);
    lake.close().await.unwrap();
}
