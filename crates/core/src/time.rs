//! Parts of a timestamp by integer arithmetic alone, so that a model's graph can do the same.

use crate::schema::TimePart;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// `part` of a moment given as microseconds since 1970-01-01 UTC.
/// The calendar is the proleptic Gregorian one, by Hinnant's "chrono-compatible low-level date algorithms".
pub fn part(micros: i64, part: TimePart) -> i64 {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let seconds = micros.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND;
    match part {
        TimePart::Year => date(days).0,
        TimePart::Month => date(days).1,
        TimePart::Day => date(days).2,
        TimePart::Weekday => (days + 3).rem_euclid(7),
        TimePart::Hour => seconds / 3_600,
        TimePart::Minute => seconds / 60 % 60,
    }
}

/// Year, month and day of the month of a day counted from 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    // Eras of 400 years that begin on the first of March, so that the leap day comes last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_known_moments() {
        let parts = |micros| {
            [TimePart::Year, TimePart::Month, TimePart::Day, TimePart::Weekday, TimePart::Hour, TimePart::Minute].map(|p| part(micros, p))
        };
        assert_eq!(parts(0), [1970, 1, 1, 3, 0, 0]);
        assert_eq!(parts(-1), [1969, 12, 31, 2, 23, 59]);
        assert_eq!(parts(951_782_399_999_999), [2000, 2, 28, 0, 23, 59]);
        assert_eq!(parts(951_782_400_000_000), [2000, 2, 29, 1, 0, 0]);
        assert_eq!(parts(-2_203_891_200_000_000), [1900, 3, 1, 3, 0, 0]);
    }

    #[test]
    fn days_follow_each_other() {
        let mut last = date(-800_000);
        for days in -799_999..800_000 {
            let next = date(days);
            assert!(next > last && (next.2 == last.2 + 1 || next.2 == 1), "{last:?} {next:?}");
            last = next;
        }
    }
}
