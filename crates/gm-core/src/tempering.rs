//! Inverse temperatures of parallel tempering.

use crate::error::{Error, Result};

/// `count` inverse temperatures that fall from 1 to 0 by equal steps.
///
/// # Errors
///
/// [`Error::Param`] for fewer than 2 temperatures.
///
/// # Examples
///
/// ```
/// use gm_core::even_temperatures;
///
/// assert_eq!(even_temperatures(3)?, [1.0, 0.5, 0.0]);
/// let error = even_temperatures(1).unwrap_err().to_string();
/// assert_eq!(error, "even_temperatures: `temperatures` is 1, allowed: 2 or more");
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn even_temperatures(count: usize) -> Result<Vec<f32>> {
    if count < 2 {
        let (op, arg, allowed) = ("even_temperatures", "temperatures", "2 or more");
        return Err(Error::Param { op, arg, value: count.to_string(), allowed });
    }
    Ok((0..count).map(|t| 1.0 - t as f32 / (count - 1) as f32).collect())
}

/// Refuses inverse temperatures that do not fall from 1.
///
/// # Errors
///
/// [`Error::Param`] unless the first temperature is 1, each is below the one before it, and none is below 0.
///
/// # Examples
///
/// ```
/// use gm_core::check_temperatures;
///
/// assert!(check_temperatures("example", &[1.0, 0.5, 0.2]).is_ok());
/// let error = check_temperatures("example", &[0.5, 1.0]).unwrap_err().to_string();
/// let allowed = "numbers that fall from 1 to no less than 0";
/// assert_eq!(error, format!("example: `temperatures` is [0.5, 1.0], allowed: {allowed}"));
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn check_temperatures(op: &'static str, temperatures: &[f32]) -> Result<()> {
    let falls = temperatures.windows(2).all(|pair| pair[0] > pair[1]);
    if temperatures.first() == Some(&1.0) && falls && temperatures.iter().all(|&beta| beta >= 0.0) {
        return Ok(());
    }
    let (value, allowed) = (format!("{temperatures:?}"), "numbers that fall from 1 to no less than 0");
    Err(Error::Param { op, arg: "temperatures", value, allowed })
}
