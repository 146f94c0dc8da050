//! `timezone('Europe/Berlin', t)`, which is `t AT TIME ZONE 'Europe/Berlin'`: between an instant and the clock on a wall.
//!
//! In: the name of a zone and a time. Out: for an instant (a time with a zone) what the clock there shows, a time without a zone;
//! for a clock's time the instant, in UTC. Both as PostgreSQL has it: a clock's time that comes twice, when clocks are put back,
//! is the later one; one that never comes, when they are put forward, is read with the offset of before.

use std::{str::FromStr, sync::Arc};

use arrow::{
    array::{AsArray, timezone::Tz},
    datatypes::{DataType, TimestampMicrosecondType},
};
use chrono::{LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use datafusion::{
    common::{exec_datafusion_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};

use super::{
    frame::{Function, udf},
    text,
};

/// Clocks are put forward by a day at most.
const GAP_MINUTES_MAX: i64 = 24 * 60 + 30;
/// Transitions are at whole quarters of an hour.
const GAP_STEP_MINUTES: i64 = 15;

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    udf(Timezone)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Timezone;

impl Function for Timezone {
    fn name(&self) -> &'static str {
        "timezone"
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types {
            [_, DataType::Timestamp(_, Some(_))] => text::local(),
            _ => text::utc(),
        })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [zone, time] = types else {
            return plan_err!("timezone takes a zone and a time; write t AT TIME ZONE 'Europe/Berlin'");
        };
        if !zone.is_string() && !zone.is_null() {
            return plan_err!("AT TIME ZONE takes the name of a zone, as in t AT TIME ZONE 'Europe/Berlin'");
        }
        let time = match time {
            DataType::Timestamp(_, None) => text::local(),
            DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Date64 | DataType::Null => {
                text::utc()
            }
            // As PostgreSQL reads a text of which nothing else is known.
            other if other.is_string() => text::utc(),
            other => return plan_err!("AT TIME ZONE takes a time, not {other}; cast it to timestamp first"),
        };
        Ok(vec![DataType::Utf8, time])
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let answers = args.return_field.data_type().clone();
        let Some(name) = text::constant(&args, 0, "the zone of AT TIME ZONE")? else {
            return Ok(text::answer(arrow::array::new_null_array(&answers, args.number_rows)));
        };
        let zone = zone(name)?;
        let is_instant = matches!(answers, DataType::Timestamp(_, None));
        let times = text::column(&args, 1, &if is_instant { text::utc() } else { text::local() })?;
        let converted = times.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| {
            let Some(micros) = micros else { return Ok(None) };
            let time = text::clock_time(micros)?;
            let converted = if is_instant { shown(zone, time) } else { instant(zone, time) };
            converted.map(|time| Some(time.and_utc().timestamp_micros()))
        });
        Ok(text::answer(text::times(converted, &answers)?))
    }
}

/// The function that cuts an instant to an hour, or less, of the clock in a zone, for registration.
pub(super) fn cut() -> Arc<ScalarUDF> {
    udf(CutInZone)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CutInZone;

impl Function for CutInZone {
    fn name(&self) -> &'static str {
        "date_trunc_in_zone"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(text::utc())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, _, zone] if zone.is_string() || zone.is_null() => {
                Ok(vec![DataType::Utf8, text::utc(), DataType::Utf8])
            }
            _ => plan_err!("date_trunc takes a unit, a time and the name of a zone, as 'Europe/Berlin'"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unit = text::constant(&args, 0, "the unit of date_trunc")?;
        let name = text::constant(&args, 2, "the zone of date_trunc")?;
        let (Some(unit), Some(name)) = (unit, name) else {
            return Ok(text::answer(arrow::array::new_null_array(&text::utc(), args.number_rows)));
        };
        let (unit, zone) = (unit_micros(unit)?, zone(name)?);
        let times = text::column(&args, 1, &text::utc())?;
        let cut = times.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| {
            let Some(micros) = micros else { return Ok(None) };
            let clock = shown(zone, text::clock_time(micros)?)?.and_utc().timestamp_micros();
            Ok(Some(micros - clock.rem_euclid(unit)))
        });
        Ok(text::answer(text::times(cut, &text::utc())?))
    }
}

fn unit_micros(unit: &str) -> Result<i64> {
    Ok(match unit {
        "hour" => 3_600_000_000,
        "minute" => 60_000_000,
        "second" => 1_000_000,
        "millisecond" => 1_000,
        "microsecond" => 1,
        other => return Err(exec_datafusion_err!("'{other}' is no unit of less than a day")),
    })
}

/// The zone of a name, whatever the case of its letters.
fn zone(name: &str) -> Result<Tz> {
    let unknown = || {
        exec_datafusion_err!(
            "'{name}' is no time zone that is unambiguous; write the name of a place, as 'Europe/Berlin', or 'UTC'"
        )
    };
    let is_name = name.contains('/') || ["utc", "gmt", "z", "zulu"].contains(&name.to_lowercase().as_str());
    if !is_name {
        // PostgreSQL reads '+02:00' as two hours west and 'CET' without summer time: nobody means that.
        return Err(unknown());
    }
    let usual: String = match name.to_lowercase().as_str() {
        "z" | "zulu" | "gmt" | "utc" => "UTC".to_string(),
        _ => usual_case(name),
    };
    Tz::from_str(name).or_else(|_| Tz::from_str(&usual)).map_err(|_| unknown())
}

/// `america/new_york` as `America/New_York`.
fn usual_case(name: &str) -> String {
    let mut starts = true;
    let letters = name.chars().map(|letter| {
        let shown = if starts { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        starts = matches!(letter, '/' | '_' | '-');
        shown
    });
    letters.collect()
}

/// What the clock in `zone` shows at an instant.
fn shown(zone: Tz, utc: NaiveDateTime) -> Result<NaiveDateTime> {
    let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    utc.checked_add_signed(TimeDelta::seconds(offset.into()))
        .ok_or_else(|| exec_datafusion_err!("a time is out of range; write one of a year of four digits"))
}

/// The instant at which the clock in `zone` shows a time.
fn instant(zone: Tz, clock: NaiveDateTime) -> Result<NaiveDateTime> {
    let offset = match zone.offset_from_local_datetime(&clock) {
        LocalResult::Single(offset) => offset,
        LocalResult::Ambiguous(_, later) => later,
        LocalResult::None => before_gap(zone, clock)?,
    };
    let offset = TimeDelta::seconds(offset.fix().local_minus_utc().into());
    clock
        .checked_sub_signed(offset)
        .ok_or_else(|| exec_datafusion_err!("a time is out of range; write one of a year of four digits"))
}

fn before_gap(zone: Tz, clock: NaiveDateTime) -> Result<<Tz as TimeZone>::Offset> {
    let mut minutes = GAP_STEP_MINUTES;
    while minutes <= GAP_MINUTES_MAX {
        if let Some(before) = clock.checked_sub_signed(TimeDelta::minutes(minutes))
            && let Some(offset) = zone.offset_from_local_datetime(&before).latest()
        {
            return Ok(offset);
        }
        minutes += GAP_STEP_MINUTES;
    }
    Err(exec_datafusion_err!("{clock} never comes in this time zone"))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn clock(text: &str) -> NaiveDateTime {
        DateTime::parse_from_rfc3339(&format!("{text}Z")).unwrap().naive_utc()
    }

    /// Would catch clocks that are put back or forward at the wrong moment, and zones far from whole hours.
    #[test]
    fn instants_and_clocks() {
        let new_york = zone("America/New_York").unwrap();
        assert_eq!(shown(new_york, clock("2026-11-01T03:30:00")).unwrap(), clock("2026-10-31T23:30:00"));
        assert_eq!(shown(new_york, clock("2026-11-01T06:30:00")).unwrap(), clock("2026-11-01T01:30:00"));
        // Comes twice: the later one; never comes: as before the change.
        assert_eq!(instant(new_york, clock("2026-11-01T01:30:00")).unwrap(), clock("2026-11-01T06:30:00"));
        assert_eq!(instant(new_york, clock("2026-03-08T02:30:00")).unwrap(), clock("2026-03-08T07:30:00"));
        let kathmandu = zone("asia/kathmandu").unwrap();
        assert_eq!(shown(kathmandu, clock("2026-01-01T00:00:00")).unwrap(), clock("2026-01-01T05:45:00"));
        // A whole day that never was.
        let apia = zone("Pacific/Apia").unwrap();
        assert_eq!(instant(apia, clock("2011-12-30T12:00:00")).unwrap(), clock("2011-12-30T22:00:00"));
    }

    /// Would catch an offset that is read with the sign of another product.
    #[test]
    fn ambiguous_zones_are_refused() {
        for name in ["+02:00", "CET", "EST", "", "Europe/Nowhere", "2"] {
            assert!(zone(name).unwrap_err().to_string().contains("no time zone"), "{name}");
        }
        assert_eq!(zone("utc").unwrap().to_string(), "UTC");
    }
}
