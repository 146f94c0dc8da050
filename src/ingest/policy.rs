//! When to commit a tenant: a pure decision over what each tenant has waiting.

use super::Settings;
use crate::event::TenantId;

/// What one tenant has waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) tenant: TenantId,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    /// When the oldest waiting event was accepted, milliseconds since 1970.
    pub(super) since_ms: i64,
}

/// The tenants to commit now, largest first: those past a threshold, and, when all together fill more than
/// half of the cap, the largest until a quarter is left.
pub(super) fn due(mut loads: Vec<Load>, settings: &Settings, now_ms: i64) -> Vec<TenantId> {
    loads.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.tenant.cmp(&b.tenant)));
    let mut left: usize = loads.iter().map(|load| load.bytes).sum();
    let pressed = left > settings.uncommitted_bytes_max / 2;
    let mut chosen = Vec::new();
    for load in loads {
        let full = load.rows >= settings.flush_rows || load.bytes >= settings.flush_bytes;
        let old = now_ms - load.since_ms >= settings.flush_age_ms;
        if full || old || (pressed && left > settings.uncommitted_bytes_max / 4) {
            left -= load.bytes;
            chosen.push(load.tenant);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(tenant: &str, rows: usize, bytes: usize, since_ms: i64) -> Load {
        Load { tenant: TenantId::parse(tenant).unwrap(), rows, bytes, since_ms }
    }

    fn names(loads: Vec<Load>, settings: &Settings, now_ms: i64) -> Vec<String> {
        due(loads, settings, now_ms).iter().map(ToString::to_string).collect()
    }

    /// Would catch a tenant that waits for ever, or one that is committed event by event.
    #[test]
    fn each_threshold_counts() {
        let settings = Settings {
            flush_rows: 10,
            flush_bytes: 100,
            flush_age_ms: 1_000,
            uncommitted_bytes_max: 10_000,
            ..Settings::default()
        };
        let loads = vec![load("rows", 10, 1, 5_000), load("bytes", 1, 100, 5_000), load("new", 9, 99, 5_000)];
        assert_eq!(names(loads.clone(), &settings, 5_999), ["bytes", "rows"]);
        assert_eq!(names(loads, &settings, 6_000), ["bytes", "new", "rows"]);
    }

    /// Would catch a server that fills its memory with tenants of which none is large.
    #[test]
    fn pressure_takes_the_largest_until_a_quarter_is_left() {
        let settings = Settings { uncommitted_bytes_max: 1_000, ..Settings::default() };
        let loads = vec![load("a", 1, 100, 0), load("b", 1, 300, 0), load("c", 1, 150, 0)];
        assert_eq!(names(loads.clone(), &settings, 0), ["b"]);
        assert_eq!(names(loads[..2].to_vec(), &settings, 0), Vec::<String>::new());
    }
}
