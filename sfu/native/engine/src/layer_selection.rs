//! Which simulcast encoding a viewer gets: pure, by the height it shows, what is alive, and what the budget allows.

/// One encoding of a track as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerState {
    /// Packets flow.
    pub is_alive: bool,
    /// Picture height in pixels; 0 if not yet known.
    pub height: u16,
    /// Measured bitrate.
    pub bitrate_bps: u64,
}

/// LIMIT of shortfall: a layer at least this part (in quarters) of the wanted height is sharp enough.
const SUFFICIENT_QUARTERS: u32 = 3;

/// Choose an index into `encodings` (lowest first), or `None` to pause.
///
/// The smallest live layer of at least three quarters of `max_height` (a 180-pixel tile takes the 180 layer, a 200-pixel
/// tile too; a 720 one takes 720 and not 360); else the highest live one. `budget_bps` then walks down to the highest live
/// layer that fits; if none fits, `None`. `max_height` 0 pauses. Unknown heights count as sufficient only for the topmost
/// live layer. No hysteresis: that is the caller's.
pub fn choose_encoding(
    encodings: &[LayerState],
    max_height: u16,
    budget_bps: Option<u64>,
) -> Option<u8> {
    if max_height == 0 {
        return None;
    }
    let is_sufficient = |layer: &LayerState| {
        layer.height > 0
            && u32::from(layer.height) * 4 >= u32::from(max_height) * SUFFICIENT_QUARTERS
    };
    let live = || encodings.iter().enumerate().filter(|(_, l)| l.is_alive);
    let wanted = live()
        .find(|(_, layer)| is_sufficient(layer))
        .or_else(|| live().next_back())?
        .0;
    live()
        .filter(|&(index, layer)| {
            index <= wanted && budget_bps.is_none_or(|budget| layer.bitrate_bps <= budget)
        })
        .next_back()
        .map(|(index, _)| index as u8)
}
