//! Names that nobody else has.

use ring::rand::{SecureRandom, SystemRandom};

/// 16 hexadecimal digits that nobody else has.
pub(crate) fn unique() -> String {
    let mut bytes = [0; 8];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Without the system's randomness, the clock tells apart what one process does one after the other.
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
        bytes = now.to_be_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
