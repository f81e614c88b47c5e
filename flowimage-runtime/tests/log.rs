//! What flows say through `tracing`, as it is sent. One test: a process has one log.

use std::fmt::{self, Debug};
use std::sync::Arc;

use flowimage_runtime::prefect::report::{Lines, Room, layer, send_to};
use tracing::{info, warn};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

/// Says something itself when it is shown.
struct Talks;

impl Debug for Talks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        warn!("from within");
        formatter.write_str("talks")
    }
}

#[test]
fn messages_stand_before_their_fields_and_lines_do_not_mix() {
    let lines = Arc::new(Lines::new(Room::default()));
    send_to(Arc::clone(&lines));
    tracing::subscriber::set_global_default(Registry::default().with(layer())).unwrap();
    info!(rows = 42, file = "a b", "read {}", 1);
    info!(rows = 42);
    info!(rows = 42, message = "last");
    info!(who = ?Talks, "said");
    info!("after\nall");
    let page = lines.batch();
    let got: Vec<_> = page.lines().map(|line| (line.level, line.message)).collect();
    assert_eq!(
        got,
        [
            (20, "read 1 rows=42 file=\"a b\""),
            (20, "rows=42"),
            (20, "last rows=42"),
            (30, "from within"),
            (20, "said who=talks"),
            (20, "after\nall"),
        ]
    );
    assert!(page.lines().all(|line| line.name == "log"));
    assert!(page.lines().is_sorted_by(|a, b| a.micros < b.micros));
}
