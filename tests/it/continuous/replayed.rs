//! Deliveries that are made again, and a process that ends meanwhile.

use super::*;

/// Would catch a replay that a start begins anew, or forgets.
#[test]
fn a_start_goes_on_with_a_replay() {
    let clock = Clock::manual(START_MICROS);
    let faulty = FaultyStore::over_memory();
    let objects = faulty.inner();
    let path = |id: &str, name: &str| Path::from(format!("deliveries/{id}/files/{name}"));
    let (id, before) = life(async {
        let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
        let continuous = lake.continuous().unwrap();
        let id = continuous.create(all(Layout::Files)).await.unwrap().id;
        for day in 1..=4 {
            fill(&lake, &clock, day, "x").await;
            deliver(&continuous, &clock).await;
        }
        let before = files(&*objects, &id).await;
        assert_eq!(before.len(), 4);
        for name in before.keys() {
            objects.delete(&path(&id, name)).await.unwrap();
        }
        continuous.replay(None, &id, ReplayFrom::Seq(0), "test").await.unwrap();
        // The third fails, and so waits for its next turn, which this process does not see.
        let of_it = |path: &str| path.contains("/files/");
        faulty.plan(Operation::Put, of_it, 2, Action::FailBefore);
        assert_eq!(continuous.pass(&CancellationToken::new()).await, 3);
        assert_eq!(files(&*objects, &id).await.len(), 2);
        (id, before)
    });
    life(async {
        let first = before.keys().next().unwrap();
        objects.delete(&path(&id, first)).await.unwrap();
        let lake = open(Arc::clone(&objects), &clock, settings()).await.unwrap();
        let continuous = lake.continuous().unwrap();
        assert_eq!(deliver(&continuous, &clock).await, 2, "two are left");
        let mut after = files(&*objects, &id).await;
        assert!(after.insert(first.clone(), before[first].clone()).is_none(), "it was made again before");
        assert_eq!(after, before);
        assert_eq!(continuous.get(None, &id).await.unwrap().state, "active");
        assert_eq!(deliver(&continuous, &clock).await, 0);
        lake.close().await.unwrap();
    });
}
