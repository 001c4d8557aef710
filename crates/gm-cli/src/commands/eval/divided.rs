//! An evaluation that several processes share.

use gm_ascent::Exchange;
use gm_eval::{EvalData, EvalPart, EvalReport, EvalSettings, Model, evaluate_part, merge_parts};

use super::label;
use crate::console::{shown, watched};
use crate::error::{Error, Result};
use crate::over::{gathered, share_of};

/// An evaluation of which every process measures its part. The report is that of the first process.
pub(super) fn divided(
    model: &Model,
    data: &EvalData,
    settings: &EvalSettings,
    processes: &dyn Exchange,
) -> Result<Option<EvalReport>> {
    let share = share_of(processes);
    let part = watched(label(model), |watch| Ok(evaluate_part(model, data, settings, share, watch)?));
    let part = match part {
        Ok(part) => Some(serde_json::to_vec(&part).map_err(Error::content("part"))?),
        Err(error) if error.is_interruption() => None,
        Err(Error::Setting { arg: "share", .. }) => {
            let value = format!("an exact likelihood with {} processes", share.of);
            return Err(Error::Option { option: "eval", value, allowed: "one process, or `dgm eval`".into() });
        }
        Err(error) => return Err(error),
    };
    let parts = gathered(processes, part.as_deref())?;
    if processes.rank() > 0 {
        return Ok(None);
    }
    let read = |bytes: &Vec<u8>| serde_json::from_slice(bytes).map_err(Error::content("part"));
    let parts = parts.iter().map(read).collect::<Result<Vec<EvalPart>>>()?;
    Ok(Some(shown("merging", |watch| Ok(merge_parts(model, data, settings, &parts, watch)?))?))
}
