//! Progress bars on stderr; on anything but a terminal they are silent.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text;

/// Steps of a bar of shares.
const SHARES: u64 = 1_000;
const TICK: Duration = Duration::from_millis(200);

/// A bar up to `total` of what `template` counts, or a spinner if the total is unknown (0).
fn bar(total: u64, bar_template: &str, spinner_template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target((total > 0).then_some(total), ProgressDrawTarget::stderr());
    let template = if total > 0 { bar_template } else { spinner_template };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// For things that are counted.
pub(super) fn of_count(total: u64, what: &str) -> ProgressBar {
    bar(
        total,
        &format!("{what} {{bar:30}} {{human_pos}}/{{human_len}} {{per_sec}} {{eta}} {{msg}}"),
        &format!("{what} {{spinner}} {{human_pos}} {{per_sec}} {{msg}}"),
    )
}

/// For bytes.
pub(super) fn of_bytes(total: u64, what: &str) -> ProgressBar {
    bar(
        total,
        &format!("{what} {{bar:30}} {{bytes}}/{{total_bytes}} {{bytes_per_sec}} {{eta}} {{msg}}"),
        &format!("{what} {{spinner}} {{bytes}} {{bytes_per_sec}} {{msg}}"),
    )
}

/// For shares of a whole that are told now and then.
pub(super) fn of_share(what: &str) -> ProgressBar {
    let template = format!("{what} {{bar:30}} {{percent}} % {{eta}} {{msg}}");
    bar(SHARES, &template, &template)
}

/// So much of the whole is done (from 0 to 1), which is so many rows.
pub(super) fn show_share(bar: &ProgressBar, done: f64, rows: u64) {
    bar.set_position((done * SHARES as f64) as u64);
    bar.set_message(text::counted(rows, "row"));
}

/// A stopwatch for summaries.
pub(super) struct Watch(Instant);

impl Watch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// `in 1.23 s (4,000 events a second)`.
    pub(super) fn describe(&self, number: u64, noun: &str) -> String {
        let seconds = self.seconds();
        format!("in {seconds:.2} s ({} {noun}s a second)", text::rate(number, seconds))
    }
}
