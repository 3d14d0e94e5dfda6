//! Numbers, times and extra fields in the headers of a zip ([`super::zip`]).

/// What extra fields say.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) size: Option<u64>,
    pub(super) packed: Option<u64>,
    pub(super) mtime: Option<i64>,
}

impl Extra {
    pub(super) fn read(mut bytes: &[u8]) -> Extra {
        let mut extra = Extra::default();
        while bytes.len() >= 4 {
            let len = usize::from(short(bytes, 2));
            let Some(field) = bytes.get(4..4 + len) else {
                break;
            };
            match short(bytes, 0) {
                1 if len >= 8 => {
                    extra.size = Some(long(field, 0));
                    extra.packed = (len >= 16).then(|| long(field, 8));
                }
                0x5455 if len >= 5 && field[0] & 1 != 0 => {
                    extra.mtime = Some(i64::from(word(field, 1) as i32));
                }
                _ => {}
            }
            bytes = &bytes[4 + len..];
        }
        extra
    }
}

/// The clock of whoever packed it, taken for UTC: its zone is not written down.
pub(super) fn dos_time((time, date): (u16, u16)) -> Option<i64> {
    let (time, date) = (u32::from(time), u32::from(date));
    let year = i32::try_from(1980 + (date >> 9)).ok()?;
    let day = chrono::NaiveDate::from_ymd_opt(year, date >> 5 & 15, date & 31)?;
    let at = day.and_hms_opt(time >> 11, time >> 5 & 63, 2 * (time & 31))?;
    Some(at.and_utc().timestamp())
}

pub(super) fn short(bytes: &[u8], at: usize) -> u16 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u16::from_le_bytes(*field))
}

pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u32::from_le_bytes(*field))
}

pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u64::from_le_bytes(*field))
}
