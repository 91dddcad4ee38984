//! Which simulcast encoding a viewer gets, and which spatial layers of a single SVC stream: pure, by the height it shows, what
//! is alive, and what the budget allows.

use wire::dependency_descriptor::MAX_SPATIAL_LAYERS;

/// Heights in pixels of the spatial layers in one stream, lowest first; zeros where there are no more, all of them where the
/// stream has one layer or does not tell.
pub type SpatialHeights = [u16; MAX_SPATIAL_LAYERS as usize];

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

/// A layer of at least this part (in quarters) of the wanted height is sharp enough.
const SUFFICIENT_QUARTERS: u32 = 3;

/// Choose an index into `encodings` (lowest first), or `None` to pause.
///
/// The lowest live layer with at least three quarters of `max_height`: a tile of 180 or 200 pixels takes the 180 layer, one
/// of 720 takes 720 and not 360. If none has so much, the highest live one. `budget_bps` then walks down to the highest live
/// layer that fits; if none fits, `None`. `max_height` 0 pauses. A layer of unknown height never suffices, so that alone
/// among live ones it is still taken. No hysteresis: that is the caller's.
pub fn choose_encoding(
    encodings: &[LayerState],
    max_height: u16,
    budget_bps: Option<u64>,
) -> Option<u8> {
    if max_height == 0 {
        return None;
    }
    let fits = |layer: &LayerState| budget_bps.is_none_or(|budget| layer.bitrate_bps <= budget);
    let live = || {
        encodings
            .iter()
            .enumerate()
            .filter(|(_, layer)| layer.is_alive)
    };
    let wanted = live()
        .find(|(_, layer)| is_sufficient(layer.height, max_height))
        .or_else(|| live().next_back())?
        .0;
    live()
        .rfind(|&(index, layer)| index <= wanted && fits(layer))
        .map(|(index, _)| index as u8)
}

/// The highest spatial layer of a single SVC stream that the viewer needs, by the same rule; `u8::MAX` for all, also for those
/// not known yet.
pub fn choose_spatial_layer(heights: &SpatialHeights, max_height: u16) -> u8 {
    let known = heights.iter().take_while(|&&height| height > 0);
    let sufficient = known
        .zip(0u8..)
        .find(|&(&height, _)| is_sufficient(height, max_height));
    sufficient.map_or(u8::MAX, |(_, layer)| layer)
}

fn is_sufficient(height: u16, max_height: u16) -> bool {
    u32::from(height) * 4 >= u32::from(max_height) * SUFFICIENT_QUARTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 180, 360 and 720 at 150, 500 and 1,700 kbit/s; a dead one has height 0 here.
    fn layers(heights: [u16; 3]) -> Vec<LayerState> {
        let bitrates = [150_000, 500_000, 1_700_000];
        heights
            .into_iter()
            .zip(bitrates)
            .map(|(height, bitrate_bps)| LayerState {
                is_alive: height > 0,
                height,
                bitrate_bps,
            })
            .collect()
    }

    #[test]
    fn a_tile_takes_the_lowest_layer_that_is_sharp_enough() {
        let all = [180, 360, 720];
        for (heights, max_height, expected) in [
            (all, 0, None),
            (all, 90, Some(0)),
            (all, 180, Some(0)),
            (all, 240, Some(0)),
            (all, 241, Some(1)),
            (all, 360, Some(1)),
            (all, 720, Some(2)),
            (all, 2_160, Some(2)),
            ([180, 360, 0], 720, Some(1)),
            ([0, 0, 720], 180, Some(2)),
            ([0, 360, 720], 180, Some(1)),
            ([180, 0, 720], 360, Some(2)),
            ([0, 0, 0], 720, None),
        ] {
            let chosen = choose_encoding(&layers(heights), max_height, None);
            assert_eq!(chosen, expected, "{heights:?} for {max_height}");
        }
    }

    #[test]
    fn the_budget_walks_down_to_what_fits() {
        for (heights, budget_bps, expected) in [
            ([180, 360, 720], 2_000_000, Some(2)),
            ([180, 360, 720], 1_699_999, Some(1)),
            ([180, 0, 720], 1_699_999, Some(0)),
            ([180, 360, 720], 150_000, Some(0)),
            ([180, 360, 720], 149_999, None),
        ] {
            let chosen = choose_encoding(&layers(heights), 720, Some(budget_bps));
            assert_eq!(chosen, expected, "{heights:?} within {budget_bps}");
        }
    }

    #[test]
    fn a_tile_takes_the_spatial_layers_up_to_one_that_is_sharp_enough() {
        for (heights, max_height, expected) in [
            ([135, 270, 540, 0], 90, 0),
            ([135, 270, 540, 0], 180, 0),
            ([135, 270, 540, 0], 181, 1),
            ([135, 270, 540, 0], 360, 1),
            ([135, 270, 540, 0], 540, 2),
            ([135, 270, 540, 0], 2_160, u8::MAX),
            ([0; 4], 90, u8::MAX),
        ] {
            let chosen = choose_spatial_layer(&heights, max_height);
            assert_eq!(chosen, expected, "{heights:?} for {max_height}");
        }
    }

    #[test]
    fn an_unknown_height_is_taken_if_it_is_all_there_is() {
        let unknown = LayerState {
            is_alive: true,
            ..LayerState::default()
        };
        assert_eq!(choose_encoding(&[unknown], 180, None), Some(0));
        let mut known = layers([180, 360, 720]);
        known[0] = unknown;
        assert_eq!(choose_encoding(&known, 180, None), Some(1));
    }
}
